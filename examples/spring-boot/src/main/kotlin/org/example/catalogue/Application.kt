package org.example.catalogue

import org.springframework.boot.autoconfigure.SpringBootApplication
import org.springframework.boot.runApplication
import org.springframework.web.bind.annotation.GetMapping
import org.springframework.web.bind.annotation.PathVariable
import org.springframework.web.bind.annotation.PutMapping
import org.springframework.web.bind.annotation.RestController

@SpringBootApplication
class Application

fun main(arguments: Array<String>) {
    runApplication<Application>(*arguments)
}

@RestController
class Catalogue {
    @GetMapping("/catalogue/{id}")
    fun article(@PathVariable id: String) = "Article $id\n"

    @PutMapping("/catalogue/{id}")
    fun change(@PathVariable id: String) = "Article $id is changed\n"
}
