// Part of Cors.kt: Ktor can't remove a header once it is set, so the decided ones can't be set by the application.

import io.ktor.http.Headers
import io.ktor.http.content.OutgoingContent
import io.ktor.server.application.Application
import io.ktor.server.application.PipelineCall
import io.ktor.server.response.ApplicationSendPipeline
import io.ktor.server.response.PipelineResponse
import io.ktor.server.response.ResponseHeaders
import io.ktor.util.AttributeKey
import io.ktor.util.filter
import io.ktor.util.pipeline.PipelinePhase
import io.ktor.utils.io.ByteWriteChannel
import io.ktor.utils.io.copyTo
import io.ktor.utils.io.writeFully
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonPrimitive

private const val LONGEST_TTL = 3600L
private val DECISION = AttributeKey<Decision>("Cors")
private const val TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
/** All headers that a decision can have, as lines. */
private val LINE = Regex(
    "Access-Control-Allow-(Origin: [!-~]+|Credentials: true)|Timing-Allow-Origin: [!-~]+(, [!-~]+)*" +
        "|(Access-Control-(Allow-Methods|Allow-Headers|Expose-Headers)|Vary): $TOKEN(, ?$TOKEN)*+" +
        "|Access-Control-Max-Age: [0-9]{1,5}|Cross-Origin-Resource-Policy: (same-site|same-origin|cross-origin)",
)
private val ORIGIN = Regex("null|[a-z][a-z0-9+.-]*://[^/, ]*")
/** The possible decisions about each kind of request: allowed or not, and the status. */
private val VERDICTS = mapOf(
    "preflight" to listOf("true 200", "true 204", "false 403"),
    "actual" to listOf("true null", "false null"),
    "no-origin" to listOf("null null"),
)

class Decision(val status: Int?, val headers: List<List<String>>, val revision: String = "", val ttl: Long = 0) {
    /** Whether the decision replaces what the application says in this header. */
    fun owns(name: String) =
        name.startsWith("Access-Control-", true) || (!name.equals("Vary", true) && values(name).isNotEmpty())

    fun values(name: String) = headers.filter { it[0].equals(name, true) }.map { it[1] }

}

/** Reads the decision about a request. Throws if it can't be the service's: nothing in its place may grant more. */
fun readDecision(answer: JsonObject, policy: String, origins: List<String>, isPreflight: Boolean): Decision {
    val kind = if (isPreflight) "preflight" else if (origins.isEmpty()) "no-origin" else "actual"
    val headers = answer.getValue("headers").jsonArray.map { it.jsonArray.map { part -> part.jsonPrimitive.content } }
    val values = headers.associate { (name, value) -> name to value }
    val own = origins.takeIf { it.size == 1 }.orEmpty()
    // Credentials need a named origin.
    val named = if ("Access-Control-Allow-Credentials" in values) own else own + "*" + null
    val ttl = answer.getValue("ttl").toString().toLong()
    val isRefused = answer["allowed"] == JsonPrimitive(false)
    val allows = values["Access-Control-Allow-Origin"]
    val timing = values["Timing-Allow-Origin"] ?: "null"
    // A static policy names its own origin to everybody: the answer does not depend on who asks.
    val isStatic = allows != null && allows !in own + "null" && answer["allowed"] != JsonPrimitive(true) &&
        ORIGIN.matches(allows) && "Origin" !in values["Vary"].orEmpty().split(", ")
    val fits = answer["policy"] == JsonPrimitive(policy) && answer["kind"] == JsonPrimitive(kind) &&
        "${answer["allowed"]} ${answer["status"]}" in VERDICTS.getValue(kind) && ttl in 0..LONGEST_TTL &&
        values.size == headers.size && headers.all { LINE.matches(it.joinToString(": ")) } &&
        (allows in named || isStatic) &&
        ((timing in named && !isRefused) || timing.split(", ").all(ORIGIN::matches)) &&
        (!isRefused || isStatic || values.keys.none { it.startsWith("Access-Control-") })
    check(fits) { "the answer is not a decision about this request" }
    val revision = answer.getValue("revision").jsonPrimitive.takeIf { it.isString }
    return Decision(answer.getValue("status").jsonPrimitive.intOrNull, headers, revision!!.content, ttl)
}

/** A call that is answered with the headers of the decision, and no other CORS headers. */
class DecidedCall(original: PipelineCall, decision: Decision) : PipelineCall {
    override val application = original.application
    override val attributes = original.attributes
    override val request = original.request
    override val parameters = original.parameters
    override val coroutineContext = original.coroutineContext
    override val response: PipelineResponse = DecidedResponse(this, original.response, decision)

    init {
        attributes.put(DECISION, decision)
        decision.headers.forEach { (name, value) -> original.response.headers.append(name, value) }
    }
}

private class DecidedResponse(override val call: PipelineCall, original: PipelineResponse, decision: Decision) :
    PipelineResponse by original {
    override val headers = object : ResponseHeaders() {
        override fun engineAppendHeader(name: String, value: String) {
            if (!decision.owns(name)) original.headers.append(name, value, safeOnly = false)
        }

        override fun getEngineHeaderNames() = original.headers.allValues().names().toList()

        override fun getEngineHeaderValues(name: String) = original.headers.values(name) - decision.values(name)
    }
}

/** Contents can have headers of their own, for example in an answer that is passed on. */
fun Application.replaceHeadersOfContents() {
    val last = PipelinePhase("Cors")
    sendPipeline.insertPhaseAfter(ApplicationSendPipeline.After, last)
    sendPipeline.intercept(last) { content ->
        val decision = context.attributes.getOrNull(DECISION)
        if (decision != null && content is OutgoingContent) proceedWith(content.without(decision::owns))
    }
}

private fun OutgoingContent.without(owned: (String) -> Boolean): OutgoingContent = when {
    this is OutgoingContent.ContentWrapper -> delegate().without(owned)
    this is OutgoingContent.ProtocolUpgrade || headers.names().none(owned) -> this
    this is OutgoingContent.NoContent -> Empty(this, headers.filtered(owned))
    else -> Full(this, headers.filtered(owned))
}

private fun Headers.filtered(owned: (String) -> Boolean) =
    Headers.build { appendAll(this@filtered.filter { name, _ -> !owned(name) }) }

private class Empty(original: OutgoingContent, override val headers: Headers) : OutgoingContent.NoContent() {
    override val status = original.status
}

private class Full(private val original: OutgoingContent, override val headers: Headers) :
    OutgoingContent.WriteChannelContent() {
    override val status = original.status
    override val contentType = original.contentType
    override val contentLength = original.contentLength

    override suspend fun writeTo(channel: ByteWriteChannel) {
        when (original) {
            is ByteArrayContent -> channel.writeFully(original.bytes())
            is ReadChannelContent -> original.readFrom().copyTo(channel)
            is WriteChannelContent -> original.writeTo(channel)
            else -> error("an unknown kind of content")
        }
    }
}
