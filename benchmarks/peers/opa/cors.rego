# The policy of the benchmarks as somebody would write it who knows CORS and Rego: the same decisions, without sentences
# for people. Its data are the policies, each with `exact` origins as keys and `suffixes` with a leading dot.
package cors

decision := {
	"kind": kind,
	"allowed": count(refused) == 0,
	"status": status,
	"reason": {"code": code},
	"headers": array.concat(granted, [["Vary", vary]]),
	"policy": input.policy,
}

policy := data.policies[input.policy]

kind := "preflight" if {
	input.method == "OPTIONS"
	input.headers["Access-Control-Request-Method"]
} else := "actual"

default covered := false

covered if policy.exact[input.origin]

covered if {
	startswith(input.origin, "https://")
	some suffix in policy.suffixes
	endswith(input.origin, suffix)
}

wanted := input.headers["Access-Control-Request-Method"]

names := split(lower(object.get(input.headers, "Access-Control-Request-Headers", "")), ",")

refused contains "origin-not-allowed" if not covered

refused contains "method-not-allowed" if {
	covered
	kind == "preflight"
	not policy.methods[wanted]
}

refused contains "header-not-allowed" if {
	covered
	kind == "preflight"
	policy.methods[wanted]
	some name in names
	trim_space(name) != ""
	not policy.names[trim_space(name)]
}

code := "allowed" if {
	count(refused) == 0
} else := [each | some each in refused][0]

status := null if {
	kind == "actual"
} else := 204 if {
	count(refused) == 0
} else := 403

origin_headers := [
	["Access-Control-Allow-Origin", input.origin],
	["Access-Control-Allow-Credentials", "true"],
]

granted := [] if {
	count(refused) > 0
} else := array.concat(origin_headers, [
	["Access-Control-Allow-Methods", policy.methods_line],
	["Access-Control-Allow-Headers", policy.names_line],
	["Access-Control-Max-Age", policy.max_age],
]) if {
	kind == "preflight"
} else := array.concat(origin_headers, [["Access-Control-Expose-Headers", policy.expose_line]])

vary := "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" if {
	kind == "preflight"
} else := "Origin"
