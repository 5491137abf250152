// The application of the scenarios: it does CORS wrong, on purpose, and tells what it received, as
// gateways/application.py does. The tests build it together with the example.

import io.ktor.http.ContentType
import io.ktor.http.Headers
import io.ktor.http.HttpStatusCode
import io.ktor.http.content.OutgoingContent
import io.ktor.server.application.Application
import io.ktor.server.application.ApplicationCall
import io.ktor.server.application.ApplicationCallPipeline
import io.ktor.server.application.call
import io.ktor.server.engine.connector
import io.ktor.server.engine.embeddedServer
import io.ktor.server.netty.Netty
import io.ktor.server.plugins.NotFoundException
import io.ktor.server.request.httpMethod
import io.ktor.server.request.path
import io.ktor.server.request.receive
import io.ktor.server.request.uri
import io.ktor.server.response.header
import io.ktor.server.response.respond
import io.ktor.server.response.respondBytesWriter
import io.ktor.server.response.respondText
import io.ktor.server.routing.route
import io.ktor.server.routing.routing
import io.ktor.utils.io.ByteReadChannel
import io.ktor.utils.io.ByteWriteChannel
import io.ktor.utils.io.writeStringUtf8
import java.net.URI
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.delay
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import kotlinx.serialization.json.putJsonObject

object Scenarios {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val server = embeddedServer(
            Netty,
            configure = {
                connector {
                    host = "127.0.0.1"
                    port = System.getenv("PORT").toInt()
                }
                maxHeaderSize = 16384
            },
        ) {
            decidedCors(URI(System.getenv("CORS_SERVICE")), policy = "catalogue")
            wrongOnPurpose()
        }
        server.start(wait = true)
    }
}

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

/** The headers of an answer that comes from elsewhere. */
private val OTHERS = Headers.build { OWN_HEADERS.forEach { (name, value) -> append(name, value) } }

private val BY_CONTENT = setOf("raw", "bytes", "channel", "empty")

private fun Application.wrongOnPurpose() {
    intercept(ApplicationCallPipeline.Plugins) {
        val name = call.request.path().substringAfterLast('/')
        if (name !in BY_CONTENT) OWN_HEADERS.forEach { (header, value) -> call.response.header(header, value) }
    }
    routing {
        route("/catalogue/status/{status}") {
            handle {
                when (val status = call.parameters["status"]!!.toInt()) {
                    404 -> throw NotFoundException()
                    500 -> error("on purpose")
                    else -> call.respondText(told(call), ContentType.Application.Json, HttpStatusCode.fromValue(status))
                }
            }
        }
    }
    // Paths that are no UTF-8 are no paths to its routing.
    intercept(ApplicationCallPipeline.Call) {
        val path = call.request.path()
        if (!path.startsWith("/catalogue/status/") && path != "/nowhere") respond(call, path.substringAfterLast('/'))
    }
}

private suspend fun respond(call: ApplicationCall, name: String) {
    val told = told(call)
    when (name) {
        "streamed" -> call.respondBytesWriter {
            writeStringUtf8(told.take(20))
            flush()
            delay(1.milliseconds)
            writeStringUtf8(told.drop(20))
        }
        "raw" -> call.respond(object : OutgoingContent.WriteChannelContent() {
            override val headers = OTHERS
            override suspend fun writeTo(channel: ByteWriteChannel) = channel.writeStringUtf8(told)
        })
        "bytes" -> call.respond(object : OutgoingContent.ByteArrayContent() {
            override val headers = OTHERS
            override fun bytes() = told.toByteArray()
        })
        "channel" -> call.respond(object : OutgoingContent.ReadChannelContent() {
            override val headers = OTHERS
            override fun readFrom() = ByteReadChannel(told)
        })
        "empty" -> call.respond(object : OutgoingContent.NoContent() {
            override val headers = OTHERS
            override val status = HttpStatusCode.NoContent
        })
        else -> call.respondText(told, ContentType.Application.Json)
    }
}

private suspend fun told(call: ApplicationCall): String {
    val body = call.receive<ByteArray>()
    return buildJsonObject {
        put("method", call.request.httpMethod.value)
        put("target", call.request.uri)
        putJsonObject("headers") {
            call.request.headers.entries().forEach { (name, values) ->
                putJsonArray(name.lowercase()) { values.forEach { add(it) } }
            }
        }
        put("body", String(body, Charsets.ISO_8859_1))
    }.toString()
}
