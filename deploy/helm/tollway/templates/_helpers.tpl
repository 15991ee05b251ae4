{{/* Names, labels and figures that several templates need. */}}

{{- define "tollway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "tollway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tollway.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tollway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tollway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tollway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "tollway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "tollway.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tollway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tollway.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (printf "%s-server" .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* The configuration as it is mounted: what the values say, and where the pod's own folders are. */}}
{{- define "tollway.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $storage := dig "storage" dict $config -}}
{{- if eq (dig "type" "none" $storage) "sqlite" -}}
{{- $_ := set $config "storage" (merge $storage (dict "path" "/var/lib/tollway/tollway.db")) -}}
{{- else if eq (dig "type" "none" $storage) "postgres" -}}
{{- $_ := set $config "storage" (merge $storage (dict "journal" "/var/lib/tollway/journal")) -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $_ := set $config.server "tls" (dict "cert" "/run/secrets/tls/tls.crt" "key" "/run/secrets/tls/tls.key") -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "tollway.storage" -}}
{{- dig "storage" "type" "none" .Values.config -}}
{{- end -}}

{{- define "tollway.configMapName" -}}
{{- .Values.existingConfigMap | default (include "tollway.fullname" .) -}}
{{- end -}}

{{/* What a duration looks like. */}}
{{- define "tollway.duration" -}}
^[0-9]+([.][0-9]+)?[[:space:]]*(ms|s|m|h|d)?$
{{- end -}}

{{/* Whole seconds of a duration as the configuration writes it: 120, 120s, 2m, 1h, 1d, 500ms. */}}
{{- define "tollway.seconds" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- if not (regexMatch (include "tollway.duration" .) $text) -}}
{{- fail (printf "config.server.drain is %q, from which the grace period cannot be told: write it like 120s, or set terminationGracePeriodSeconds" $text) -}}
{{- else if hasSuffix "ms" $text -}}
{{- ceil (divf $number 1000) -}}
{{- else if hasSuffix "m" $text -}}
{{- ceil (mulf $number 60) -}}
{{- else if hasSuffix "h" $text -}}
{{- ceil (mulf $number 3600) -}}
{{- else if hasSuffix "d" $text -}}
{{- ceil (mulf $number 86400) -}}
{{- else -}}
{{- ceil $number -}}
{{- end -}}
{{- end -}}

{{- define "tollway.gracePeriod" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- $drain := include "tollway.seconds" (dig "server" "drain" 60 .Values.config) -}}
{{- add .Values.preStopSeconds $drain 15 -}}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* The kubelet sleeps by itself: the image has no shell. */}}
{{- define "tollway.preStop" -}}
{{- toYaml (.Values.preStop | default (dict "sleep" (dict "seconds" (int .Values.preStopSeconds)))) -}}
{{- end -}}
