module cors-service/benchmarks/peers

go 1.24.0

require (
	github.com/jub0bs/cors v0.10.0
	github.com/rs/cors v1.11.1
)

require (
	golang.org/x/net v0.49.0 // indirect
	golang.org/x/text v0.33.0 // indirect
)
