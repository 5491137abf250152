// The application of the scenarios: it does CORS wrong, on purpose, and tells what it received, as
// gateways/application.py does. The tests build it together with the example, and start it with the profile
// `scenarios`.

package org.example.catalogue

import java.time.Duration
import org.springframework.context.annotation.Bean
import org.springframework.context.annotation.Configuration
import org.springframework.context.annotation.Profile
import org.springframework.core.io.buffer.DataBufferUtils
import org.springframework.http.HttpStatus
import org.springframework.http.MediaType
import org.springframework.http.server.reactive.ServerHttpRequest
import org.springframework.http.server.reactive.ServerHttpResponse
import org.springframework.web.reactive.function.server.RequestPredicates.path
import org.springframework.web.reactive.function.server.RouterFunction
import org.springframework.web.reactive.function.server.RouterFunctions.route
import org.springframework.web.reactive.function.server.ServerRequest
import org.springframework.web.reactive.function.server.ServerResponse
import org.springframework.web.server.ResponseStatusException
import org.springframework.web.server.ServerWebExchange
import org.springframework.web.server.WebFilter
import reactor.core.publisher.Flux
import reactor.core.publisher.Mono
import tools.jackson.databind.json.JsonMapper

private val OWN_HEADERS = listOf(
    "Access-Control-Allow-Origin" to "*",
    "Access-Control-Allow-Credentials" to "true",
    "Access-Control-Allow-Methods" to "*, TRACE",
    "Access-Control-Allow-Headers" to "*, x-application",
    "Access-Control-Allow-Private-Network" to "true",
    "access-control-expose-headers" to "*",
    "Access-Control-Max-Age" to "86400",
    "Cross-Origin-Resource-Policy" to "cross-origin",
    "Vary" to "Accept-Encoding",
    "X-Application" to "7",
)

private val JSON = JsonMapper()

private fun mark(response: ServerHttpResponse) =
    OWN_HEADERS.forEach { (name, value) -> response.headers.set(name, value) }

@Configuration
@Profile("scenarios")
class Scenarios {
    /** Sets the headers at once, or as late as it can. */
    @Bean
    fun wrongOnPurpose() = WebFilter { exchange, chain ->
        val response = exchange.response
        if (exchange.request.path.value().endsWith("/late")) {
            response.beforeCommit { Mono.fromRunnable { mark(response) } }
        } else {
            mark(response)
        }
        if (exchange.request.path.value().endsWith("/raw")) raw(exchange) else chain.filter(exchange)
    }

    /** Has the site to itself, but for one path. */
    @Bean
    fun all(): RouterFunction<ServerResponse> = route(path("/nowhere").negate(), ::answer)

    private fun raw(exchange: ServerWebExchange): Mono<Void> {
        val response = exchange.response
        val told = told(exchange.request).map { response.bufferFactory().wrap(JSON.writeValueAsBytes(it)) }
        return response.writeWith(told)
    }

    private fun answer(request: ServerRequest): Mono<ServerResponse> {
        val path = request.exchange().request.path.value()
        val name = path.substringAfterLast('/')
        val told = told(request.exchange().request)
        if (name == "streamed") {
            val pieces = told.map(JSON::writeValueAsString).flatMapMany { Flux.just(it.take(20), it.drop(20)) }
            val slowly = pieces.delayElements(Duration.ofMillis(1))
            return ServerResponse.ok().contentType(MediaType.APPLICATION_NDJSON).body(slowly, String::class.java)
        }
        val status = if ("/status/" in path) name.toInt() else 200
        return when (if (name == "empty") 204 else status) {
            204 -> ServerResponse.noContent().build()
            404 -> Mono.error(ResponseStatusException(HttpStatus.NOT_FOUND))
            500 -> error("on purpose")
            else -> told.flatMap { ServerResponse.status(status).bodyValue(it) }
        }
    }

    private fun told(received: ServerHttpRequest): Mono<Map<String, Any>> {
        val uri = received.uri
        val target = uri.rawPath + (uri.rawQuery?.let { "?$it" } ?: "")
        val headers = received.headers.headerSet().associate { (name, values) -> name.lowercase() to values }
        return DataBufferUtils.join(received.body)
            .map { buffer -> buffer.toString(Charsets.ISO_8859_1).also { DataBufferUtils.release(buffer) } }
            .defaultIfEmpty("")
            .map { mapOf("method" to received.method.name(), "target" to target, "headers" to headers, "body" to it) }
    }
}
