{{/* The pod, the same in a Deployment and a StatefulSet. */}}
{{- define "tollway.podTemplate" -}}
metadata:
  labels:
    {{- include "tollway.labels" . | nindent 4 }}
    {{- range $name, $value := omit .Values.podLabels "app.kubernetes.io/name" "app.kubernetes.io/instance" }}
    {{ $name }}: {{ $value | quote }}
    {{- end }}
  annotations:
    {{- if and .Values.rolloutOnConfigChange (not .Values.existingConfigMap) }}
    checksum/config: {{ include "tollway.config" . | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: tollway
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "tollway.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  shareProcessNamespace: false
  terminationGracePeriodSeconds: {{ include "tollway.gracePeriod" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: tollway
      image: {{ include "tollway.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- concat (list "serve" "--config" "/etc/tollway/tollway.yaml") .Values.extraArgs | toYaml | nindent 8 }}
      ports:
        - {name: http, containerPort: {{ dig "server" "port" 8080 .Values.config }}}
        - {name: health, containerPort: {{ .Values.config.server.health_port }}}
        {{- with .Values.config.server.admin_port }}
        - {name: admin, containerPort: {{ . }}}
        {{- end }}
      {{- with .Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      startupProbe:
        {{- toYaml .Values.startupProbe | nindent 8 }}
      readinessProbe:
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      livenessProbe:
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      {{- if or .Values.preStop .Values.preStopSeconds }}
      lifecycle:
        preStop:
          {{- include "tollway.preStop" . | nindent 10 }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- include "tollway.fileMounts" . | nindent 8 }}
        - {name: data, mountPath: /var/lib/tollway}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "tollway.fileVolumes" (dict "root" . "configMap" (include "tollway.configMapName" .)) | nindent 4 }}
    {{- if ne .Values.kind "StatefulSet" }}
    - name: data
      {{- if .Values.persistence.existingClaim }}
      persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
      {{- else }}
      emptyDir: {sizeLimit: {{ .Values.persistence.size }}}
      {{- end }}
    {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - {{ toYaml . | nindent 6 | trim }}
      {{- if not (hasKey . "labelSelector") }}
      labelSelector:
        matchLabels:
          {{- include "tollway.selectorLabels" $ | nindent 10 }}
      {{- end }}
    {{- end }}
  {{- end }}
  {{- with include "tollway.place" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Where a pod may run. */}}
{{- define "tollway.place" -}}
{{- $place := pick .Values "nodeSelector" "affinity" "tolerations" "priorityClassName" -}}
{{- range $name, $value := $place -}}
{{- if not $value }}{{ $place = omit $place $name }}{{ end -}}
{{- end -}}
{{- with $place }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- define "tollway.fileMounts" -}}
- {name: config, mountPath: /etc/tollway, readOnly: true}
{{- if or .Values.existingSecret .Values.extraSecrets }}
- {name: secrets, mountPath: /run/secrets/tollway, readOnly: true}
{{- end }}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /run/secrets/tls, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tollway.fileVolumes" -}}
{{- $values := .root.Values -}}
- name: config
  configMap: {name: {{ .configMap }}}
{{- if or $values.existingSecret $values.extraSecrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range compact (prepend $values.extraSecrets $values.existingSecret) }}
      - secret: {name: {{ . }}}
      {{- end }}
{{- end }}
{{- if $values.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ $values.tls.existingSecret }}, defaultMode: 0440}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: {{ $values.tmp.sizeLimit }}}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
