package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

const (
	patience   = 10 * time.Second
	between    = 2 * time.Millisecond
	mostFaults = 10
)

// serve tells its address and answers a line with the serial of the certificate its client has shown.
func serve(ctx context.Context, clientID string) error {
	id, err := spiffeid.FromString(clientID)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(id)))
	if err != nil {
		return err
	}
	defer listener.Close()
	say(map[string]string{"address": listener.Addr().String()})
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go attend(connection)
		}
	}()
	return obey(func(asked) any { return map[string]bool{"serving": true} })
}

func attend(connection net.Conn) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(patience))
	if _, err := bufio.NewReader(connection).ReadString('\n'); err != nil {
		return
	}
	peer := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
	fmt.Fprintf(connection, "%s\n", peer.SerialNumber.Text(16))
}

// seen is what became of the requests so far.
type seen struct {
	Requests int      `json:"requests"`
	Failures []string `json:"failures"`
	// Serials of the certificates of either side, in the order of their first use.
	Servers []string `json:"servers"`
	Clients []string `json:"clients"`
	Error   string   `json:"error"`
}

type caller struct {
	source  *workloadapi.X509Source
	address string
	mu      sync.Mutex
	more    *sync.Cond
	so      seen
}

// request makes a connection, of which the server has to be id.
func (c *caller) request(ctx context.Context, id spiffeid.ID) (server string, client string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dialer := tls.Dialer{Config: tlsconfig.MTLSClientConfig(c.source, c.source, tlsconfig.AuthorizeID(id))}
	connection, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return "", "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(connection, "who am I"); err != nil {
		return "", "", err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return "", "", err
	}
	peer := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
	return peer.SerialNumber.Text(16), line[:len(line)-1], nil
}

func (c *caller) count(server, client string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.so.Requests++
	if err != nil {
		if len(c.so.Failures) < mostFaults {
			c.so.Failures = append(c.so.Failures, err.Error())
		}
	} else {
		c.so.Servers = add(c.so.Servers, server)
		c.so.Clients = add(c.so.Clients, client)
	}
	c.more.Broadcast()
}

func add(to []string, serial string) []string {
	for _, each := range to {
		if each == serial {
			return to
		}
	}
	return append(to, serial)
}

func (c *caller) wait(count int) seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	for wanted := c.so.Requests + count; c.so.Requests < wanted; {
		c.more.Wait()
	}
	return c.so
}

// call says {"ready":true}, and is asked:
//
//	more   what is seen after count requests more
//	once   a request to the same server as id, beside the others
func call(ctx context.Context, address, serverID string) error {
	id, err := spiffeid.FromString(serverID)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	c := &caller{source: source, address: address, so: seen{Failures: []string{}}}
	c.more = sync.NewCond(&c.mu)
	say(map[string]bool{"ready": true})
	go func() {
		for {
			c.count(c.request(ctx, id))
			time.Sleep(between)
		}
	}()
	return obey(func(ask asked) any {
		if ask.Do == "more" {
			return c.wait(ask.Count)
		}
		other, err := spiffeid.FromString(ask.ID)
		if err == nil {
			_, _, err = c.request(ctx, other)
		}
		return seen{Failures: []string{}, Error: told(err)}
	})
}
