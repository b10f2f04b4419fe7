// Command bench is the client and the yardstick of `npm run bench`.
//
//	bench load -socket S -variant sotw|delta -connections C -streams N -names a,b   commands on stdin, answers on stdout
//	bench fetch -socket S -connections C -seconds T -name default
//	bench watch -socket S -connections C -streams N                                 FetchX509SVID; commands as for load
//	bench first -socket S -count N                                                  FetchX509SVID, each on a new connection
//	bench jwt -socket S -what cached|uncached|validate -connections C -seconds T
//	bench reference -socket S                                                       the least server of both APIs grpc-go allows
//
// Every answer is one JSON object a line. Times are milliseconds.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		exit(fmt.Errorf("bench load | fetch | watch | first | jwt | reference"))
	}
	switch command, arguments := os.Args[1], os.Args[2:]; command {
	case "load":
		exit(load(arguments))
	case "fetch":
		exit(fetch(arguments))
	case "watch":
		exit(watch(arguments))
	case "first":
		exit(first(arguments))
	case "jwt":
		exit(jwt(arguments))
	case "reference":
		exit(reference(arguments))
	default:
		exit(fmt.Errorf("no command %q", command))
	}
}

func exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func say(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
