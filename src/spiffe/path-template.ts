import { SpindleError } from '../runtime/errors.ts'

/** A path with fields in it, as SPIRE's `agent_path_template` has them: `/{{ .PluginName }}/{{ .Fingerprint }}`. */
export interface PathTemplate {
  /** What fills the fields by name; undefined: there is nothing. @throws SpindleError `spiffe_id_invalid` */
  fill(valueOf: (field: string) => string | undefined): string
}

const FIELD = /^\s*\.([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9_-]+)*)\s*$/

/**
 * Plain fields alone: no functions, conditions or pipes, so that a template cannot do anything but name.
 * @param fields those there are; one that ends with `.` stands for all that begin with it
 * @throws SpindleError `config_invalid`
 */
export function parsePathTemplate(text: string, fields: readonly string[]): PathTemplate {
  if (text === '') throw invalid('is empty')
  const parts = text.split(/\{\{|\}\}/)
  const marks = text.match(/\{\{|\}\}/g) ?? []
  if (marks.some((mark, at) => mark !== (at % 2 === 0 ? '{{' : '}}')) || marks.length % 2 !== 0)
    throw invalid('has braces that do not close')
  const names = parts.map((part, at) => (at % 2 === 0 ? undefined : fieldName(part, fields)))
  parts.forEach((part, at) => {
    if (at % 2 === 0 && !/^[A-Za-z0-9._/-]*$/.test(part))
      throw invalid('has a character that no path of a SPIFFE ID has')
  })
  return {
    fill(valueOf) {
      const filled = parts.map((part, at) => {
        const name = names[at]
        if (name === undefined) return part
        const value = valueOf(name) ?? ''
        if (value === '') throw new SpindleError('spiffe_id_invalid', `.${name} is empty`)
        return value
      })
      const path = filled.join('')
      return path.startsWith('/') ? path : `/${path}`
    },
  }
}

function fieldName(part: string, fields: readonly string[]): string {
  const name = FIELD.exec(part)?.[1]
  if (name === undefined)
    throw invalid('has more in it than plain fields such as {{ .PluginName }}')
  if (fields.some((field) => (field.endsWith('.') ? name.startsWith(field) : name === field)))
    return name
  throw invalid(`has the field .${name}; there are ${fields.map(shown).join(', ')}`)
}

const shown = (field: string): string => (field.endsWith('.') ? `.${field}<key>` : `.${field}`)

function invalid(fault: string): SpindleError {
  return new SpindleError('config_invalid', fault)
}
