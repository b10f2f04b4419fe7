package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	xtype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const typeURL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///agent", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}))
}

func node() *core.Node {
	return &core.Node{Id: "bench", Cluster: "bench", UserAgentName: "envoy",
		UserAgentVersionType: &core.Node_UserAgentBuildVersion{UserAgentBuildVersion: &core.BuildVersion{
			Version: &xtype.SemanticVersion{MajorNumber: 1, MinorNumber: 40}}}}
}

// window counts what arrives since a mark. A stream's first and later messages are told apart.
type window struct {
	mu       sync.Mutex
	began    time.Time
	messages int
	per      map[int]int
	first    time.Time
	last     time.Time
	arrived  []time.Duration
	changed  *sync.Cond
}

func newWindow() *window {
	w := &window{began: time.Now(), per: map[int]int{}}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *window) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.messages, w.per, w.arrived = time.Now(), 0, map[int]int{}, nil
	w.first, w.last = time.Time{}, time.Time{}
}

func (w *window) arrive(stream int, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages++
	w.per[stream]++
	if w.per[stream] == 1 {
		if w.first.IsZero() {
			w.first = at
		}
		w.last = at
		w.arrived = append(w.arrived, at.Sub(w.began))
	}
	w.changed.Broadcast()
}

// wait blocks until `count` streams have had a message since the mark, at most `limit`.
func (w *window) wait(count int, limit time.Duration) {
	late := false
	timer := time.AfterFunc(limit, func() {
		w.mu.Lock()
		late = true
		w.mu.Unlock()
		w.changed.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.per) < count && !late {
		w.changed.Wait()
	}
}

type report struct {
	Streams    int     `json:"streams"`
	Messages   int     `json:"messages"`
	MostOfOne  int     `json:"mostOfOne"`
	FirstMs    float64 `json:"firstMs"`
	LastMs     float64 `json:"lastMs"`
	SpreadMs   float64 `json:"spreadMs"`
	MedianMs   float64 `json:"medianMs"`
	FailedOnes int64   `json:"failed"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (w *window) report(failed int64) report {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := report{Streams: len(w.per), Messages: w.messages, FailedOnes: failed}
	for _, n := range w.per {
		r.MostOfOne = max(r.MostOfOne, n)
	}
	if len(w.arrived) > 0 {
		r.FirstMs, r.LastMs = ms(w.first.Sub(w.began)), ms(w.last.Sub(w.began))
		r.SpreadMs, r.MedianMs = ms(w.last.Sub(w.first)), ms(w.arrived[len(w.arrived)/2])
	}
	return r
}

func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	variant := flags.String("variant", "sotw", "sotw or delta")
	connections := flags.Int("connections", 1, "connections")
	streams := flags.Int("streams", 1, "streams, spread over the connections")
	list := flags.String("names", "default", "resource names; each stream asks for one, round robin")
	_ = flags.Parse(arguments)
	names := strings.Split(*list, ",")

	clients := make([]secret.SecretDiscoveryServiceClient, *connections)
	for i := range clients {
		connection, err := dial(*socket)
		if err != nil {
			return err
		}
		clients[i] = secret.NewSecretDiscoveryServiceClient(connection)
	}
	seen := newWindow()
	var failed atomic.Int64
	run := follow
	if *variant == "delta" {
		run = followDelta
	}
	for i := range *streams {
		client, name := clients[i%len(clients)], names[i%len(names)]
		go func() {
			if err := run(client, name, func(at time.Time) { seen.arrive(i, at) }); err != nil && failed.Add(1) == 1 {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}()
	}
	return obey(seen, &failed)
}

// obey carries out the commands on stdin: `mark`, `wait COUNT SECONDS`, `report`.
func obey(seen *window, failed *atomic.Int64) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 1 && words[0] == "mark":
			seen.mark()
			say(map[string]bool{"marked": true})
		case len(words) == 3 && words[0] == "wait":
			count, _ := strconv.Atoi(words[1])
			seconds, _ := strconv.Atoi(words[2])
			seen.wait(count, time.Duration(seconds)*time.Second)
			say(seen.report(failed.Load()))
		case len(words) == 1 && words[0] == "report":
			say(seen.report(failed.Load()))
		default:
			return fmt.Errorf("no command %q", lines.Text())
		}
	}
	return nil
}

func follow(client secret.SecretDiscoveryServiceClient, name string, arrived func(time.Time)) error {
	stream, err := client.StreamSecrets(context.Background())
	if err != nil {
		return err
	}
	request := &discovery.DiscoveryRequest{Node: node(), ResourceNames: []string{name}, TypeUrl: typeURL}
	for {
		if err := stream.Send(request); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		arrived(time.Now())
		request = &discovery.DiscoveryRequest{ResourceNames: []string{name}, TypeUrl: typeURL,
			VersionInfo: response.VersionInfo, ResponseNonce: response.Nonce}
	}
}

func followDelta(client secret.SecretDiscoveryServiceClient, name string, arrived func(time.Time)) error {
	stream, err := client.DeltaSecrets(context.Background())
	if err != nil {
		return err
	}
	request := &discovery.DeltaDiscoveryRequest{Node: node(), ResourceNamesSubscribe: []string{name}, TypeUrl: typeURL}
	for {
		if err := stream.Send(request); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		if len(response.Resources) > 0 {
			arrived(time.Now())
		}
		request = &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResponseNonce: response.Nonce}
	}
}

func fetch(arguments []string) error {
	flags := flag.NewFlagSet("fetch", flag.ExitOnError)
	socket := flags.String("socket", "", "Unix socket")
	connections := flags.Int("connections", 16, "callers, each on a connection of its own")
	seconds := flags.Float64("seconds", 3, "how long")
	name := flags.String("name", "default", "resource name")
	_ = flags.Parse(arguments)

	// A caller is connected and known before the clock starts.
	clients := make([]secret.SecretDiscoveryServiceClient, *connections)
	request := &discovery.DiscoveryRequest{Node: node(), ResourceNames: []string{*name}, TypeUrl: typeURL}
	for i := range clients {
		connection, err := dial(*socket)
		if err != nil {
			return err
		}
		clients[i] = secret.NewSecretDiscoveryServiceClient(connection)
		if _, err := clients[i].FetchSecrets(context.Background(), request); err != nil {
			return err
		}
	}
	return rate(len(clients), *seconds, func(i int) error {
		_, err := clients[i].FetchSecrets(context.Background(), request)
		return err
	})
}
