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
