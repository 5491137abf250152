// What Cors.kt needs: Ktor can't take back a header that was set, so those that are decided about can't be set.

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

private val DECISION = AttributeKey<Decision>("Cors")
/** All headers that a decision can have. */
private val DECIDED = listOf("allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age")
    .map { "access-control-$it" } + listOf("timing-allow-origin", "cross-origin-resource-policy", "vary")

class Decision(val status: Int?, val headers: List<List<String>>) {
    /** Whether what the application says in this header does not count. */
    fun owns(name: String) =
        name.startsWith("Access-Control-", true) || (!name.equals("Vary", true) && values(name).isNotEmpty())

    fun values(name: String) = headers.filter { it[0].equals(name, true) }.map { it[1] }

    /** Whether the service can have decided so about a request. */
    fun isAbout(origin: String?, isPreflight: Boolean): Boolean {
        val values = headers.associate { (name, value) -> name.lowercase() to value }
        val origins = if (DECIDED[1] in values) listOf(origin) else listOf(origin, "*", null)
        return status in (if (isPreflight) listOf(200, 204, 403) else listOf(null)) &&
            values.size == headers.size && DECIDED.containsAll(values.keys) &&
            values[DECIDED[0]] in origins && values["timing-allow-origin"] in origins + null
    }
}

/** A call whose answer has the headers of the decision, and no others of CORS. */
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

/** Contents have headers of their own, such as those of an answer that is passed on. */
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
