import io.ktor.server.application.Application
import io.ktor.server.engine.embeddedServer
import io.ktor.server.netty.Netty
import io.ktor.server.response.respondText
import io.ktor.server.routing.get
import io.ktor.server.routing.put
import io.ktor.server.routing.routing
import java.net.URI

fun main() {
    val port = System.getenv("PORT")?.toInt() ?: 3000
    embeddedServer(Netty, port, host = "127.0.0.1") { catalogue() }.start(wait = true)
}

fun Application.catalogue() {
    decidedCors(URI(System.getenv("CORS_SERVICE") ?: "http://127.0.0.1:8080"), policy = "catalogue")
    routing {
        get("/catalogue/{id}") { call.respondText("Article ${call.parameters["id"]}\n") }
        put("/catalogue/{id}") { call.respondText("Article ${call.parameters["id"]} is changed\n") }
    }
}
