{{/* What all objects have, and what selects the Pods, which never changes. */}}
{{- define "cors-service.selector" -}}
app.kubernetes.io/name: cors-service
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cors-service.labels" -}}
{{ include "cors-service.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "cors-service.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The same of the admin process, which nobody asks for decisions. */}}
{{- define "cors-service.admin.selector" -}}
app.kubernetes.io/name: cors-admin
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cors-service.admin.labels" -}}
{{ include "cors-service.admin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* A URL with the place of its file of credentials, if there is one. */}}
{{- define "cors-service.store" -}}
{{ .store }}{{ if .secret }}{{ contains "?" .store | ternary "&" "?" }}credentials=/etc/cors-service-store/store.toml{{ end }}
{{- end }}

{{/* Where the Pods report what they have. */}}
{{- define "cors-service.reportTo" -}}
{{ .Values.reportTo | default (.Values.admin.enabled | ternary (printf "http://%s-admin:8081" .Release.Name) "") }}
{{- end }}
