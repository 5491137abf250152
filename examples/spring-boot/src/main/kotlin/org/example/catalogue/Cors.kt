// CORS as the decision service says: copy this file, and set cors.service and cors.policy in application.properties.

package org.example.catalogue

import java.time.Duration
import java.util.function.Supplier
import org.slf4j.LoggerFactory
import org.springframework.beans.factory.annotation.Value
import org.springframework.core.Ordered
import org.springframework.core.annotation.Order
import org.springframework.http.HttpHeaders
import org.springframework.http.HttpStatusCode
import org.springframework.http.client.reactive.ReactorClientHttpConnector
import org.springframework.http.server.reactive.ServerHttpResponse
import org.springframework.http.server.reactive.ServerHttpResponseDecorator
import org.springframework.stereotype.Component
import org.springframework.web.reactive.function.client.WebClient
import org.springframework.web.reactive.function.client.WebClientRequestException
import org.springframework.web.reactive.function.client.bodyToMono
import org.springframework.web.server.ServerWebExchange
import org.springframework.web.server.WebFilter
import org.springframework.web.server.WebFilterChain
import reactor.core.publisher.Mono
import reactor.netty.http.client.HttpClient
import reactor.netty.resources.ConnectionProvider
import reactor.util.retry.Retry

private val TIMEOUT = Duration.ofMillis(200)
// Connections may have died since they were used last, some of them unnoticed.
private val AGAIN = Retry.max(3).filter { it is WebClientRequestException }
private val LOG = LoggerFactory.getLogger(CorsFilter::class.java)
private const val MOST_DECISIONS = 1000
private const val LONGEST_QUESTION = 2000
private const val LONGEST_TTL = 3600L
private val FACTS = listOf("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
/** All headers that a decision can have. */
private val DECIDED = listOf("allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age")
    .map { "access-control-$it" } + listOf("timing-allow-origin", "cross-origin-resource-policy", "vary")

@Component
@Order(Ordered.HIGHEST_PRECEDENCE)
class CorsFilter(@Value("\${cors.service}") service: String, @Value("\${cors.policy}") val policy: String) : WebFilter {
    private val decisions = Decisions(service)

    // The first question takes longest, since much has to be loaded for it: no client waits for that.
    init { runCatching { decisions.ask(Question(policy, "GET", emptyList())).block(Duration.ofSeconds(5)) } }

    override fun filter(exchange: ServerWebExchange, chain: WebFilterChain): Mono<Void> {
        val facts = FACTS.flatMap { name -> exchange.request.headers[name].orEmpty().map { listOf(name, it) } }
        val question = Question(policy, exchange.request.method.name(), facts)
        val status = if (question.asksAhead()) 403 else null
        val undecided = Decision(policy, status, listOf(listOf("Vary", "Origin")), "", 0)
        return decisions.about(question).defaultIfEmpty(undecided).flatMap { decision ->
            val response = DecidedResponse(exchange.response, decision)
            if (decision.status == null) return@flatMap chain.filter(exchange.mutate().response(response).build())
            response.statusCode = HttpStatusCode.valueOf(decision.status)
            response.setComplete()
        }
    }
}

/** What the service is asked. */
private data class Question(val policy: String, val method: String, val headers: List<List<String>>) {
    fun asksAhead() = method == "OPTIONS" && FACTS.take(2).all { name -> headers.count { it[0] == name } == 1 }
}

/** What the service answers, as far as it is needed. */
private class Decision(
    val policy: String, val status: Int?, val headers: List<List<String>>, val revision: String, val ttl: Long,
) {
    init { headers.forEach { (name, value) -> require((name + value).none(Char::isISOControl)) } }

    /** Whether the service can have decided so: whatever else answers in its place can't do more. */
    fun isAbout(question: Question): Boolean {
        val values = headers.associate { (name, value) -> name.lowercase() to value }
        val origin = question.headers.singleOrNull { it[0] == FACTS[0] }?.get(1)
        val origins = if (DECIDED[1] in values) listOf(origin) else listOf(origin, "*", null)
        return policy == question.policy && ttl in 0..LONGEST_TTL &&
            status in (if (question.asksAhead()) listOf(200, 204, 403) else listOf(null)) &&
            values.size == headers.size && DECIDED.containsAll(values.keys) &&
            values[DECIDED[0]] in origins && values["timing-allow-origin"] in origins + null
    }

    fun applyTo(answer: HttpHeaders) {
        answer.headerNames().filter { it.startsWith("Access-Control-", true) }.forEach(answer::remove)
        val (vary, others) = headers.partition { (name) -> name.equals("Vary", true) }
        others.forEach { (name, value) -> answer[name] = value }
        val names = answer.vary + vary.flatMap { (_, value) -> value.split(",").map(String::trim) }
        if (names.isNotEmpty()) answer.setVary(names.distinctBy(String::lowercase))
    }
}

private class Decisions(service: String) {
    // The service closes connections that were silent for a minute.
    private val http = HttpClient.create(ConnectionProvider.builder("cors").maxIdleTime(Duration.ofSeconds(30)).build())
    private val web = WebClient.builder().baseUrl(service).clientConnector(ReactorClientHttpConnector(http)).build()
    private var revision = ""
    @Volatile private var isFailing = false
    private val kept = object : LinkedHashMap<Question, Pair<Decision, Long>>(16, 0.75f, true) {
        override fun removeEldestEntry(eldest: Map.Entry<Question, Pair<Decision, Long>>) = size > MOST_DECISIONS
    }

    /** What is decided; nothing if there is no answer, or none in time. */
    fun about(question: Question): Mono<Decision> {
        val known = synchronized(kept) { kept[question]?.takeIf { it.second - System.nanoTime() > 0 } }
        if (known != null) return Mono.just(known.first)
        return ask(question).timeout(TIMEOUT).doOnNext { isFailing = false }.doOnError {
            if (!isFailing) LOG.warn("The decision service fails: no headers of CORS until it answers", it)
            isFailing = true
        }.onErrorComplete()
    }

    fun ask(question: Question): Mono<Decision> {
        val now = System.nanoTime()
        return web.post().uri("/v1/decision").bodyValue(question)
            .exchangeToMono { if (it.statusCode().value() == 200) it.bodyToMono<Decision>() else it.createError() }
            .retryWhen(AGAIN).doOnNext {
                check(it.isAbout(question)) { "what answered has not decided about this request" }
                keep(question, it, now + it.ttl * 1_000_000_000)
            }
    }

    /** What an older revision said is forgotten; so is what was asked longest ago, once there is too much of it. */
    private fun keep(question: Question, decision: Decision, until: Long) = synchronized(kept) {
        if (decision.revision != revision) kept.clear()
        revision = decision.revision
        if (question.toString().length <= LONGEST_QUESTION) kept[question] = decision to until
    }
}

/** Has the last word on the headers: when they are sent, behind whatever the application wants to do then. */
private class DecidedResponse(response: ServerHttpResponse, private val decision: Decision) :
    ServerHttpResponseDecorator(response) {
    init { super.beforeCommit(::decided) }

    override fun beforeCommit(action: Supplier<out Mono<Void>>) = super.beforeCommit { action.get().then(decided()) }

    private fun decided() = Mono.fromRunnable<Void> { decision.applyTo(headers) }
}
