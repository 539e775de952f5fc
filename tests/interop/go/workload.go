package main

// The application of a service: it follows the Workload API, and calls other services past its own sidecar.
//
// Each svid that comes is a line on stdout, `svid SERIAL`. On $PORT it does what it is told:
//
//	GET /call?address=HOST:PORT&expect=ID&path=/PATH&protocol=h2|http/1.1   prints the status of the answer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// workload runs until it is ended. The address of the Workload API is in SPIFFE_ENDPOINT_SOCKET, where go-spiffe looks.
func workload() error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(context.Background(),
		workloadapi.WithClientOptions(workloadapi.WithBackoffStrategy(often{})))
	if err != nil {
		return err
	}
	defer source.Close()
	go func() {
		for last := ""; ; <-source.Updated() {
			last = tell(source, last)
		}
	}()
	http.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) { call(w, r, source) })
	return http.Serve(listener, nil)
}

// tell prints the serial number of an svid that was not told yet.
func tell(source *workloadapi.X509Source, last string) string {
	svid, err := source.GetX509SVID()
	if err != nil {
		fmt.Println("error:", err)
		return last
	}
	serial := svid.Certificates[0].SerialNumber.Text(16)
	if serial != last {
		fmt.Println("svid", serial)
	}
	return serial
}

// call makes one call on a connection of its own, with the newest svid.
func call(w http.ResponseWriter, r *http.Request, source *workloadapi.X509Source) {
	query := r.URL.Query()
	expect, err := spiffeid.FromString(query.Get("expect"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(expect))
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, Protocols: new(http.Protocols)}
	// One alone: a sidecar that is offered both chooses HTTP/1.1.
	transport.Protocols.SetHTTP2(query.Get("protocol") == "h2")
	transport.Protocols.SetHTTP1(query.Get("protocol") != "h2")
	client := http.Client{Transport: transport, Timeout: limit}
	answer, err := client.Get("https://" + query.Get("address") + query.Get("path"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	fmt.Fprintln(w, answer.StatusCode, answer.Proto)
}

// often asks again soon: the sidecar that is started again is there within a second.
type often struct{}

func (often) NewBackoff() workloadapi.Backoff { return often{} }
func (often) Next() time.Duration             { return 100 * time.Millisecond }
func (often) Reset()                          {}
