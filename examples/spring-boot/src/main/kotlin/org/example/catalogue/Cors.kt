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
// Connections may have died unnoticed since they were last used.
private val AGAIN = Retry.max(3).filter { it is WebClientRequestException }
private val LOG = LoggerFactory.getLogger(CorsFilter::class.java)
private const val MOST_DECISIONS = 1000
private const val LONGEST_TTL = 3600
private val FACTS = listOf("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
private const val TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** All headers that a decision can have, as lines. */
private val LINE = Regex(
    "Access-Control-Allow-(Origin: [!-~]+|Credentials: true)|Timing-Allow-Origin: [!-~]+(, [!-~]+)*" +
        "|(Access-Control-(Allow-Methods|Allow-Headers|Expose-Headers)|Vary): $TOKEN(, ?$TOKEN)*+" +
        "|Access-Control-Max-Age: [0-9]{1,5}|Cross-Origin-Resource-Policy: (same-site|same-origin|cross-origin)",
)
private val ORIGIN = Regex("null|[a-z][a-z0-9+.-]*://[^/, ]*")
/** The possible decisions about each kind of request: allowed or not, and the status. */
private val VERDICT = Regex("preflight (true 20[04]|false 403)|actual (true|false) null|no-origin null null")

@Component
@Order(Ordered.HIGHEST_PRECEDENCE)
class CorsFilter(@Value("\${cors.service}") service: String, @Value("\${cors.policy}") val policy: String) : WebFilter {
    private val decisions = Decisions(service)

    // The first question takes longest, since much is loaded for it: ask before the first client comes.
    init { runCatching { decisions.ask(Question(policy, "GET", emptyList())).block(Duration.ofSeconds(5)) } }

    override fun filter(exchange: ServerWebExchange, chain: WebFilterChain): Mono<Void> {
        val facts = FACTS.flatMap { name -> exchange.request.headers[name].orEmpty().map { listOf(name, it) } }
        val question = Question(policy, exchange.request.method.name(), facts)
        val status = if (question.kind() == "preflight") 403 else null
        val undecided = Decision(policy, "", false, status, listOf(listOf("Vary", "Origin")), "", 0)
        return decisions.about(question).defaultIfEmpty(undecided).flatMap { decision ->
            val response = DecidedResponse(exchange.response, decision)
            if (decision.status == null) return@flatMap chain.filter(exchange.mutate().response(response).build())
            response.statusCode = HttpStatusCode.valueOf(decision.status as Int)
            response.setComplete()
        }
    }
}

/** What the service is asked. */
private data class Question(val policy: String, val method: String, val headers: List<List<String>>) {
    fun values(name: String) = headers.filter { it[0] == name }.map { it[1] }

    fun kind() = if (method == "OPTIONS" && FACTS.take(2).all { values(it).size == 1 }) "preflight"
        else if (values("Origin").isEmpty()) "no-origin" else "actual"
}

/** The parts of the service's answer that are needed here, with the types that they have there. */
private class Decision(
    val policy: String, val kind: String, val allowed: Any?, val status: Any?, val headers: List<List<String>>,
    val revision: String, val ttl: Any,
) {
    /** Whether this can be the service's decision: nothing that answers in its place may grant more. */
    fun isAbout(question: Question): Boolean {
        val values = headers.associate { (name, value) -> name to value }
        val own = question.values("Origin").takeIf { it.size == 1 }.orEmpty()
        // Credentials need a named origin.
        val named = if ("Access-Control-Allow-Credentials" in values) own else own + "*" + null
        val (allows, timing) = listOf("Access-Control-Allow-Origin", "Timing-Allow-Origin").map(values::get)
        // A static policy names its own origin to everybody: the answer does not depend on who asks.
        val isStatic = allows !in own + "null" && ORIGIN.matches(allows.orEmpty()) && "Origin" !in "${values["Vary"]}"
        return policy == question.policy && kind == question.kind() && values.size == headers.size &&
            allowed is Boolean? && status is Int? && VERDICT.matches("$kind $allowed $status") &&
            ttl as? Int in 0..LONGEST_TTL && headers.all { LINE.matches(it.joinToString(": ")) } &&
            (timing in named && allowed != false || (timing ?: "null").split(", ").all(ORIGIN::matches)) &&
            (allows in named || isStatic && allowed != true) &&
            (allowed != false || isStatic || values.keys.none { it.startsWith("Access-Control-") })
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

    /** The decision; nothing if there is no answer in time. */
    fun about(question: Question): Mono<Decision> {
        val known = synchronized(kept) { kept[question]?.takeIf { it.second - System.nanoTime() > 0 } }
        if (known != null) return Mono.just(known.first)
        return ask(question).timeout(TIMEOUT).doOnNext { isFailing = false }.doOnError {
            if (!isFailing) LOG.warn("The decision service fails: no CORS headers until it answers", it)
            isFailing = true
        }.onErrorComplete()
    }

    fun ask(question: Question): Mono<Decision> {
        val now = System.nanoTime()
        return web.post().uri("/v1/decision").bodyValue(question)
            .exchangeToMono { if (it.statusCode().value() == 200) it.bodyToMono<Decision>() else it.createError() }
            .retryWhen(AGAIN).doOnNext {
                check(it.isAbout(question)) { "the answer is not a decision about this request" }
                keep(question, it, now + (it.ttl as Int) * 1_000_000_000L)
            }
    }

    /** Forgets what an older revision said, and, once there are too many decisions, the oldest. */
    private fun keep(question: Question, decision: Decision, until: Long) = synchronized(kept) {
        if (decision.revision != revision) kept.clear()
        revision = decision.revision
        // Honest questions are shorter.
        if (question.toString().length <= 2000) kept[question] = decision to until
    }
}

/** Has the last word on the headers: acts when they are sent, after everything that the application does then. */
private class DecidedResponse(response: ServerHttpResponse, private val decision: Decision) :
    ServerHttpResponseDecorator(response) {
    init { super.beforeCommit(::decided) }

    override fun beforeCommit(action: Supplier<out Mono<Void>>) = super.beforeCommit { action.get().then(decided()) }

    private fun decided() = Mono.fromRunnable<Void> { decision.applyTo(headers) }
}
