// CORS as the decision service says. Copy this file and DecidedCall.kt, and begin the module of your application with
//     decidedCors(URI("http://127.0.0.1:8080"), policy = "catalogue")

import io.ktor.http.HttpMethod
import io.ktor.http.HttpStatusCode
import io.ktor.server.application.Application
import io.ktor.server.application.ApplicationCallPipeline
import io.ktor.server.request.httpMethod
import io.ktor.server.response.respond
import io.ktor.util.logging.KtorSimpleLogger
import io.ktor.util.pipeline.PipelinePhase
import io.ktor.util.pipeline.execute
import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpRequest.BodyPublishers
import java.net.http.HttpResponse.BodyHandlers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.future.await
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject

private const val TIMEOUT_MS = 200L
private const val MOST_DECISIONS = 1000
private const val LONGEST_QUESTION = 2000
private val LOG = KtorSimpleLogger("Cors")
private typealias Facts = List<List<String>>
private val FACTS = listOf("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")

fun Application.decidedCors(service: URI, policy: String) {
    val decisions = Decisions(service)
    // The first question takes longest, since much is loaded for it: ask before the first client comes.
    runBlocking { decisions.decide(policy, HttpMethod.Get, emptyList(), timeout = 25 * TIMEOUT_MS) }
    val first = PipelinePhase("Cors")
    insertPhaseBefore(ApplicationCallPipeline.Setup, first)
    replaceHeadersOfContents()
    intercept(first) {
        if (context is DecidedCall) return@intercept // this is the rest of the application, run below
        val facts = FACTS.flatMap { name -> context.request.headers.getAll(name).orEmpty().map { listOf(name, it) } }
        val method = context.request.httpMethod
        val decision = decisions.decide(policy, method, facts) ?: undecided(isPreflight(method, facts))
        val call = DecidedCall(context, decision)
        decision.status?.let { call.respond(HttpStatusCode.fromValue(it)) } ?: call.application.execute(call)
        finish()
    }
}

private fun isPreflight(method: HttpMethod, facts: Facts) =
    method == HttpMethod.Options && FACTS.take(2).all { name -> facts.count { it[0] == name } == 1 }

private fun undecided(isPreflight: Boolean) =
    Decision(if (isPreflight) 403 else null, listOf(listOf("Vary", "Origin")))

private class Decisions(service: URI) {
    private val url = service.resolve("/v1/decision")
    private val http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build()
    private val post = HttpRequest.newBuilder(url).header("Content-Type", "application/json")
    private var revision = ""
    @Volatile private var isFailing = false
    private val kept = object : LinkedHashMap<String, Pair<Decision, Long>>(16, 0.75f, true) {
        override fun removeEldestEntry(eldest: Map.Entry<String, Pair<Decision, Long>>) = size > MOST_DECISIONS
    }

    /** The decision; null if there is no answer in time. */
    suspend fun decide(policy: String, method: HttpMethod, facts: Facts, timeout: Long = TIMEOUT_MS): Decision? {
        val names = mapOf("policy" to JsonPrimitive(policy), "method" to JsonPrimitive(method.value))
        val headers = JsonArray(facts.map { line -> JsonArray(line.map { JsonPrimitive(it) }) })
        val question = JsonObject(names + ("headers" to headers)).toString()
        synchronized(kept) { kept[question]?.takeIf { it.second - System.nanoTime() > 0 } }?.let { return it.first }
        val origins = facts.filter { it[0] == "Origin" }.map { it[1] }
        val read = { answer: JsonObject -> readDecision(answer, policy, origins, isPreflight(method, facts)) }
        val decision = withTimeoutOrNull(timeout) {
            var answer = runCatching { ask(question, read) }
            // Connections may have died unnoticed since they were last used.
            repeat(3) { if (answer.exceptionOrNull() is IOException) answer = runCatching { ask(question, read) } }
            currentCoroutineContext().ensureActive()
            answer.getOrNull()
        }
        if (decision == null && !isFailing) LOG.warn("$url gives no decisions: no CORS headers until it does")
        isFailing = decision == null
        return decision
    }

    private suspend fun ask(question: String, read: (JsonObject) -> Decision): Decision {
        val now = System.nanoTime()
        val request = post.copy().POST(BodyPublishers.ofString(question)).build()
        val response = http.sendAsync(request, BodyHandlers.ofString()).await()
        check(response.statusCode() == 200) { "no decision" }
        val decision = read(Json.parseToJsonElement(response.body()).jsonObject)
        keep(question, decision, now + decision.ttl * 1_000_000_000)
        return decision
    }

    /** Forgets what an older revision said, and, once there are too many decisions, the oldest. */
    private fun keep(question: String, decision: Decision, until: Long) = synchronized(kept) {
        if (decision.revision != revision) kept.clear()
        revision = decision.revision
        if (question.length <= LONGEST_QUESTION) kept[question] = decision to until
    }
}
