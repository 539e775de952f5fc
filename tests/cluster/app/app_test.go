package main

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestACallIsReportedWithItsStatusItsKithHeadersAndItsBody(t *testing.T) {
	called := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Kith-Denial-Id", "d-1")
		w.Header().Set("Other", "not reported")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(r.Method))
	}))
	defer called.Close()

	call := callOnce(t, called.URL)
	if call.Status != 403 || call.Body != "GET" || len(call.Headers) != 1 || call.Headers["kith-denial-id"] != "d-1" {
		t.Fatalf("reported: %+v", call)
	}
}

func TestACallThatReachesNobodyIsReportedAsAnError(t *testing.T) {
	called := httptest.NewServer(http.NotFoundHandler())
	called.Close()

	call := callOnce(t, called.URL)
	if call.Error == "" || call.Status != 0 {
		t.Fatalf("reported: %+v", call)
	}
}

func TestEveryAttemptedCallIsCountedAsExactlyOneThing(t *testing.T) {
	counted := &counts{}
	for _, each := range []outcome{{Status: 200}, {Status: 204}, {Status: 403}, {Status: 503}, {Error: "reset"}} {
		counted.begin()
		counted.end(each)
	}
	want := `{"attempted":5,"failed":{"reset":1},"ok":2,"refused":{"403":1,"503":1}}`
	if counted.String() != want {
		t.Fatalf("counted: %s", counted)
	}
}

func TestAStreamEndsWhenTheApplicationDoes(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	application := httptest.NewServer(handler(ctx, &counts{}))
	defer application.Close()
	response, err := http.Get(application.URL + "/stream?every=1ms")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() {
		t.Fatal("a stream without a line")
	}
	end()
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("the stream was cut instead of ended: %s", err)
	}
}

func callOnce(t *testing.T, target string) outcome {
	t.Helper()
	calls, err := newCaller(settings{timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return calls.call(t.Context(), target)
}
