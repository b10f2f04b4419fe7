package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const audience = "bench"

// asWorkload is what every call of the Workload API says.
func asWorkload() context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "workload.spiffe.io", "true")
}

func dialWorkload(socket string, connections int) ([]workload.SpiffeWorkloadAPIClient, error) {
	clients := make([]workload.SpiffeWorkloadAPIClient, connections)
	for i := range clients {
		connection, err := dial(socket)
		if err != nil {
			return nil, err
		}
		clients[i] = workload.NewSpiffeWorkloadAPIClient(connection)
	}
	return clients, nil
}

// watch follows FetchX509SVID on many streams, and obeys as load does.
func watch(arguments []string) error {
	flags := flag.NewFlagSet("watch", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	connections := flags.Int("connections", 1, "connections")
	streams := flags.Int("streams", 1, "streams, spread over the connections")
	_ = flags.Parse(arguments)
	clients, err := dialWorkload(*socket, *connections)
	if err != nil {
		return err
	}
	seen := newWindow()
	var failed atomic.Int64
	for i := range *streams {
		go func() {
			err := followX509(clients[i%len(clients)], func(at time.Time) { seen.arrive(i, at) })
			if failed.Add(1) == 1 {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}()
	}
	return obey(seen, &failed)
}

func followX509(client workload.SpiffeWorkloadAPIClient, arrived func(time.Time)) error {
	stream, err := client.FetchX509SVID(asWorkload(), &workload.X509SVIDRequest{})
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
		arrived(time.Now())
	}
}

// first tells how long each of count callers took from its connect to its first message, one after another.
func first(arguments []string) error {
	flags := flag.NewFlagSet("first", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	count := flags.Int("count", 200, "callers")
	_ = flags.Parse(arguments)
	took := make([]float64, 0, *count)
	for range *count {
		began := time.Now()
		connection, err := dial(*socket)
		if err != nil {
			return err
		}
		if err := firstAnswer(connection); err != nil {
			return err
		}
		took = append(took, ms(time.Since(began)))
		_ = connection.Close()
	}
	say(map[string][]float64{"tookMs": took})
	return nil
}

func firstAnswer(connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(asWorkload(), 10*time.Second)
	defer cancel()
	stream, err := workload.NewSpiffeWorkloadAPIClient(connection).FetchX509SVID(ctx, &workload.X509SVIDRequest{})
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

// jwt calls FetchJWTSVID or ValidateJWTSVID as fast as the callers can, each on a connection of its own. What: cached, for one
// audience; uncached, for another one each time; validate, of one token.
func jwt(arguments []string) error {
	flags := flag.NewFlagSet("jwt", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	what := flags.String("what", "cached", "cached, uncached or validate")
	connections := flags.Int("connections", 16, "callers, each on a connection of its own")
	seconds := flags.Float64("seconds", 3, "how long")
	_ = flags.Parse(arguments)
	clients, err := dialWorkload(*socket, *connections)
	if err != nil {
		return err
	}
	// A caller is connected and known before the clock starts.
	request := &workload.JWTSVIDRequest{Audience: []string{audience}}
	var token string
	for _, client := range clients {
		response, err := client.FetchJWTSVID(asWorkload(), request)
		if err != nil {
			return err
		}
		token = response.Svids[0].Svid
	}
	var audiences atomic.Int64
	call := func(client workload.SpiffeWorkloadAPIClient) error {
		switch *what {
		case "validate":
			_, err := client.ValidateJWTSVID(asWorkload(), &workload.ValidateJWTSVIDRequest{Audience: audience, Svid: token})
			return err
		case "uncached":
			another := fmt.Sprintf("%s-%d", audience, audiences.Add(1))
			_, err := client.FetchJWTSVID(asWorkload(), &workload.JWTSVIDRequest{Audience: []string{another}})
			return err
		default:
			_, err := client.FetchJWTSVID(asWorkload(), request)
			return err
		}
	}
	return rate(len(clients), *seconds, func(i int) error { return call(clients[i]) })
}

// rate says how often callers have called a second, all of them without a pause.
func rate(callers int, seconds float64, call func(caller int) error) error {
	var calls, failed atomic.Int64
	began := time.Now()
	end := began.Add(time.Duration(seconds * float64(time.Second)))
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for time.Now().Before(end) {
				if err := call(i); err != nil {
					if failed.Add(1) == 1 {
						fmt.Fprintln(os.Stderr, "bench:", err)
					}
					return
				}
				calls.Add(1)
			}
		})
	}
	all.Wait()
	say(map[string]float64{"perSecond": float64(calls.Load()) / time.Since(began).Seconds(), "failed": float64(failed.Load())})
	return nil
}
