package main

// The calls that the application makes: one, many for a test that asks at /call, or continually and counted.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// kept is how much of an answer's body is reported.
const kept = 4096

// caller makes calls with one choice of family, timeout and connection reuse.
type caller struct{ client *http.Client }

func newCaller(chosen settings) (caller, error) {
	network, known := map[string]string{"": "tcp", "4": "tcp4", "6": "tcp6"}[chosen.family]
	if !known {
		return caller{}, fmt.Errorf("--family %q is none: use 4 or 6", chosen.family)
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DisableKeepAlives:   !chosen.reuse,
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

// call calls with the method; a body of "" is none.
func (c caller) call(ctx context.Context, method, target, body string) outcome {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
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
	answer := c.call(ctx, http.MethodGet, target, "")
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

// callFor makes calls for a test: /call?url=U&n=1&method=M&body=B&family=4|6&timeout=10s&reuse=true.
func callFor(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	calls, times, err := callerFor(asked)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	method := http.MethodGet
	if asked.Has("body") {
		method = http.MethodPost
	}
	if asked.Has("method") {
		method = asked.Get("method")
	}
	outcomes := []outcome{}
	for range times {
		outcomes = append(outcomes, calls.call(r.Context(), method, asked.Get("url"), asked.Get("body")))
	}
	calls.client.CloseIdleConnections()
	answerJSON(w, map[string]any{"pod": podName(), "calls": outcomes})
}

func callerFor(asked url.Values) (caller, int, error) {
	if !asked.Has("url") {
		return caller{}, 0, fmt.Errorf("nothing to call: give ?url=")
	}
	times := 1
	if text := asked.Get("n"); text != "" {
		parsed, err := strconv.Atoi(text)
		if err != nil || parsed < 1 || parsed > 10000 {
			return caller{}, 0, fmt.Errorf("n=%q is no number of calls: use 1 to 10000", text)
		}
		times = parsed
	}
	chosen := settings{family: asked.Get("family"), timeout: 10 * time.Second, reuse: asked.Get("reuse") != "false"}
	if text := asked.Get("timeout"); text != "" {
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed <= 0 {
			return caller{}, 0, fmt.Errorf("timeout=%q is no duration: write 10s", text)
		}
		chosen.timeout = parsed
	}
	calls, err := newCaller(chosen)
	return calls, times, err
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
			counts.end(c.call(context.WithoutCancel(ctx), http.MethodGet, target, ""))
		}()
	}
}
