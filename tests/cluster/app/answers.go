package main

// What the application answers over HTTP.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// seen is a request as it arrived: what a test compares with what was sent.
type seen struct {
	Pod     string      `json:"pod"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Query   string      `json:"query,omitempty"`
	Host    string      `json:"host"`
	Proto   string      `json:"proto"`
	Remote  string      `json:"remote"`
	Headers http.Header `json:"headers"`
	Bytes   int64       `json:"bytes"` // of the body
}

// handler answers every path that has no meaning of its own with the request as it was seen. Streams end when the
// context does; everything else finishes.
func handler(ctx context.Context, counts *counts) http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("/", echoRequest)
	routes.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	routes.HandleFunc("/status/{code}", answerStatus)
	routes.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) { stream(ctx, w, r) })
	routes.HandleFunc("/counts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "application/json")
		fmt.Fprintln(w, counts.String())
	})
	return routes
}

func podName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func echoRequest(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answerJSON(w, seen{
		Pod: podName(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Proto: r.Proto,
		Remote: r.RemoteAddr, Headers: r.Header, Bytes: size,
	})
}

func answerJSON(w http.ResponseWriter, answer any) {
	w.Header().Set("content-type", "application/json")
	// An error here is a caller that has gone.
	_ = json.NewEncoder(w).Encode(answer)
}

func answerStatus(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, fmt.Sprintf("%q is no status: use 200 to 599", r.PathValue("code")), http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
}

// stream answers a line every so often (?every=100ms), until the caller goes or this process ends.
func stream(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	every := 100 * time.Millisecond
	if text := r.URL.Query().Get("every"); text != "" {
		parsed, err := time.ParseDuration(text)
		if err != nil || parsed <= 0 {
			http.Error(w, fmt.Sprintf("every=%q is no duration: write 100ms", text), http.StatusBadRequest)
			return
		}
		every = parsed
	}
	flush := http.NewResponseController(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for line := 0; ; line++ {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
