/** How a node proves which one it is: a kind of SPIRE's node attestation, by its name there. */
export interface Proof {
  readonly type: string
  /** What the agent shows first; read anew each time. @throws SpindleError `config_invalid` for what the operator has to see to */
  payload(): Promise<Uint8Array>
  /** What it answers to a challenge. */
  answer(challenge: Uint8Array): Promise<Uint8Array>
  /** After an attempt, however it ended. */
  settle(): Promise<void>
  /** What to do where the server refuses it. */
  readonly advice: string
}
