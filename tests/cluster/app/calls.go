package main

// The calls that the application makes: one, or continually and counted.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// kept is how much of an answer's body is reported.
const kept = 4096

// caller makes calls with one choice of family and timeout.
type caller struct{ client *http.Client }

func newCaller(chosen settings) (caller, error) {
	network, known := map[string]string{"": "tcp", "4": "tcp4", "6": "tcp6"}[chosen.family]
	if !known {
		return caller{}, fmt.Errorf("--family %q is none: use 4 or 6", chosen.family)
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
	}
	client := &http.Client{Transport: transport, Timeout: chosen.timeout}
	// A redirect is an answer like any other.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return caller{client: client}, nil
}

// outcome is what became of one call: a status with what belongs to it, or an error.
type outcome struct {
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"` // those that begin with kith-
	Body    string            `json:"body,omitempty"`
	Error   string            `json:"error,omitempty"`
}

func (o outcome) good() bool { return o.Status >= 200 && o.Status < 300 }

func (c caller) call(ctx context.Context, target string) outcome {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, kept))
	if err != nil {
		return outcome{Error: fmt.Sprintf("status %d, then: %s", response.StatusCode, err)}
	}
	// The rest is read so that the connection can be used again.
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return outcome{Error: fmt.Sprintf("status %d, then: %s", response.StatusCode, err)}
	}
	headers := map[string]string{}
	for name := range response.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "kith-") {
			headers[lower] = response.Header.Get(name)
		}
	}
	return outcome{Status: response.StatusCode, Headers: headers, Body: string(answer)}
}

// once calls one time and prints the answer; an error is a call that did not end well.
func (c caller) once(ctx context.Context, target string) error {
	answer := c.call(ctx, target)
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	if !answer.good() {
		return fmt.Errorf("GET %s did not end well", target)
	}
	return nil
}

// continually starts a call every so often, until the context ends, and waits for those under way.
func (c caller) continually(ctx context.Context, target string, every time.Duration, counts *counts) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var underWay sync.WaitGroup
	for {
		select {
		case <-ctx.Done():
			underWay.Wait()
			return
		case <-tick.C:
		}
		counts.begin()
		underWay.Add(1)
		go func() {
			defer underWay.Done()
			// Not the context that ends: a call is cut by its timeout only, so that each one is counted by its outcome.
			counts.end(c.call(context.WithoutCancel(ctx), target))
		}()
	}
}
