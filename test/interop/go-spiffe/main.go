// Command interop is a program that uses go-spiffe, as anybody's does: what it finds of the Workload API is what
// SPIFFE_ENDPOINT_SOCKET names. It tells on stdout, one JSON object a line, and does what stdin asks, one JSON object a line.
//
//	interop follow                      what X509Source, BundleSource and the watchers are given
//	interop tokens                      JWT-SVIDs: fetched, validated here and by the Workload API
//	interop serve CLIENT-ID             a server of mutual TLS, on a port of loopback
//	interop call ADDRESS SERVER-ID      requests to it without end, each on a connection of its own
//	interop agent SOCKET                no client but an agent, of grpc-go, for a client of ours
//	interop spire DESCRIPTORS ADDRESS ADMIN-SOCKET BUNDLE
//	                                    no client of the Workload API but of a server, as SPIRE's agent and its tools are
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		exit(fmt.Errorf("interop follow | tokens | serve | call | agent | spire"))
	}
	ctx := context.Background()
	switch command := arguments[0]; {
	case command == "follow":
		exit(follow(ctx))
	case command == "tokens":
		exit(tokens(ctx))
	case command == "serve" && len(arguments) == 2:
		exit(serve(ctx, arguments[1]))
	case command == "call" && len(arguments) == 3:
		exit(call(ctx, arguments[1], arguments[2]))
	case command == "agent" && len(arguments) == 2:
		exit(serveAgent(arguments[1]))
	case command == "spire" && len(arguments) == 5:
		exit(spire(ctx, arguments[1], arguments[2], arguments[3], arguments[4]))
	default:
		exit(fmt.Errorf("no command %q with %d arguments", command, len(arguments)-1))
	}
}

func exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "interop:", err)
	os.Exit(1)
}

var saying sync.Mutex

func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	saying.Lock()
	defer saying.Unlock()
	fmt.Println(string(line))
}

// asked is a line of stdin.
type asked struct {
	Do       string   `json:"do"`
	Audience []string `json:"audience"`
	Subject  string   `json:"subject"`
	Token    string   `json:"token"`
	Count    int      `json:"count"`
	ID       string   `json:"id"`
}

// obey answers each line of stdin with a line {"answer": …}, until stdin ends.
func obey(answer func(asked) any) error {
	return obeyEach(func(line []byte) (any, error) {
		var ask asked
		if err := json.Unmarshal(line, &ask); err != nil {
			return nil, err
		}
		return answer(ask), nil
	})
}

func obeyEach(answer func([]byte) (any, error)) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 32<<20)
	for lines.Scan() {
		said, err := answer(lines.Bytes())
		if err != nil {
			return err
		}
		say(map[string]any{"answer": said})
	}
	return lines.Err()
}

func told(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
