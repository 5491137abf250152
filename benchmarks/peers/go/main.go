// Measures what rs/cors and jub0bs/cors cost: the cases on standard input, the figures on standard output, both as
// JSON. ../../foreign.py writes the one, reads the other, and says what is in them.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	jub0bs "github.com/jub0bs/cors"
	rs "github.com/rs/cors"
)

type policy struct {
	Origins        []string `json:"origins"`
	Methods        []string `json:"methods"`
	RequestHeaders []string `json:"request_headers"`
	ExposeHeaders  []string `json:"expose_headers"`
	MaxAge         int      `json:"max_age"`
}

type request struct {
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

type task struct {
	Policy   int       `json:"policy"`
	Requests []request `json:"requests"`
}

type input struct {
	Microseconds float64  `json:"microseconds"`
	Policies     []policy `json:"policies"`
	Cases        []task   `json:"cases"`
}

type result struct {
	Answers      []*string `json:"answers"`
	Microseconds float64   `json:"microseconds"`
}

type peer struct {
	Version string   `json:"version"`
	Results []result `json:"results"`
}

type output struct {
	Runtime string          `json:"runtime"`
	Peers   map[string]peer `json:"peers"`
}

// A response that keeps its headers and drops the rest.
type response struct{ header http.Header }

func (r response) Header() http.Header         { return r.header }
func (r response) Write(b []byte) (int, error) { return len(b), nil }
func (r response) WriteHeader(int)             {}

// What comes behind the middleware.
var next = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

func withRS(p policy) http.Handler {
	return rs.New(rs.Options{
		AllowedOrigins:   p.Origins,
		AllowedMethods:   p.Methods,
		AllowedHeaders:   p.RequestHeaders,
		ExposedHeaders:   p.ExposeHeaders,
		AllowCredentials: true,
		MaxAge:           p.MaxAge,
	}).Handler(next)
}

func withJub0bs(p policy) http.Handler {
	middleware, err := jub0bs.NewMiddleware(jub0bs.Config{
		Origins:         p.Origins,
		Methods:         p.Methods,
		RequestHeaders:  p.RequestHeaders,
		ResponseHeaders: p.ExposeHeaders,
		Credentialed:    true,
		MaxAgeInSeconds: p.MaxAge,
	})
	if err != nil {
		log.Fatal(err)
	}
	return middleware.Wrap(next)
}

func received(requests []request) []*http.Request {
	made := make([]*http.Request, len(requests))
	for i, one := range requests {
		header := http.Header{}
		for name, value := range one.Headers {
			header.Set(name, value)
		}
		made[i] = &http.Request{Method: one.Method, Header: header}
	}
	return made
}

func answers(handler http.Handler, requests []*http.Request) []*string {
	found := make([]*string, len(requests))
	for i, one := range requests {
		header := http.Header{}
		handler.ServeHTTP(response{header}, one)
		if values := header["Access-Control-Allow-Origin"]; len(values) > 0 {
			found[i] = &values[0]
		}
	}
	return found
}

// Microseconds that this process has computed, its collector included.
func spent() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Sec+usage.Stime.Sec)*1e6 + float64(usage.Utime.Usec+usage.Stime.Usec)
}

func cost(handler http.Handler, requests []*http.Request, calls int) float64 {
	before := spent()
	for i := range calls {
		handler.ServeHTTP(response{http.Header{}}, requests[i%len(requests)])
	}
	return (spent() - before) / float64(calls)
}

// Enough calls to last for so many microseconds.
func enough(handler http.Handler, requests []*http.Request, wanted float64) int {
	for calls := len(requests); ; calls *= 2 {
		if each := cost(handler, requests, calls); each*float64(calls) > wanted/4 {
			return int(wanted/each) + 1
		}
	}
}

func measured(in input, make func(policy) http.Handler) []result {
	handlers := []http.Handler{}
	for _, one := range in.Policies {
		handlers = append(handlers, make(one))
	}
	results := []result{}
	for _, one := range in.Cases {
		handler, requests := handlers[one.Policy], received(one.Requests)
		found := answers(handler, requests)
		calls := enough(handler, requests, in.Microseconds)
		results = append(results, result{found, cost(handler, requests, calls)})
	}
	return results
}

func versions() map[string]string {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			found[module.Path] = module.Version[1:]
		}
	}
	return found
}

func main() {
	runtime.GOMAXPROCS(1)
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	version := versions()
	out := output{"Go " + runtime.Version()[2:], map[string]peer{
		"rs/cors":     {version["github.com/rs/cors"], measured(in, withRS)},
		"jub0bs/cors": {version["github.com/jub0bs/cors"], measured(in, withJub0bs)},
	}}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}
