{{/* What a schema cannot say. Included once, by the workload. */}}
{{- define "tollway.checks" -}}
{{- $server := dig "server" dict .Values.config -}}
{{- $storage := include "tollway.storage" . -}}
{{- $several := or (gt (int .Values.replicaCount) 1) .Values.autoscaling.enabled -}}
{{- if not (get $server "health_port") -}}
{{- fail "config.server.health_port is not set: the kubelet probes it; set it to 9901" -}}
{{- end -}}
{{- if has (get $server "host" | default "127.0.0.1") (list "127.0.0.1" "localhost" "::1") -}}
{{- fail "config.server.host is a loopback address, which no Service reaches: set it to 0.0.0.0" -}}
{{- end -}}
{{- if get $server "uds" -}}
{{- fail "config.server.uds is for a sidecar (deploy/kubernetes/sidecar-uds.yaml): remove it here" -}}
{{- end -}}
{{- if and (eq $storage "sqlite") $several -}}
{{- fail "config.storage.type is sqlite, one file for one pod: set replicaCount: 1 and autoscaling.enabled: false, or use postgres" -}}
{{- end -}}
{{- if and (eq $storage "sqlite") (ne .Values.kind "StatefulSet") (not .Values.persistence.existingClaim) -}}
{{- fail "config.storage.type is sqlite, and the ledger would end with the pod: set kind: StatefulSet, or persistence.existingClaim" -}}
{{- end -}}
{{- if and (eq $storage "postgres") $several (not (dig "storage" "pepper" "" .Values.config)) -}}
{{- fail "config.storage.pepper is not set: each pod would make its own, and keys of one would be unknown to the others; put 32 random bytes into a Secret and name its file" -}}
{{- end -}}
{{- if and .Values.persistence.existingClaim (or $several (eq .Values.kind "StatefulSet")) -}}
{{- fail "persistence.existingClaim is for a Deployment of one replica: a StatefulSet makes a claim for each pod" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled $several -}}
{{- $pods := .Values.autoscaling.enabled | ternary .Values.autoscaling.minReplicas .Values.replicaCount -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if hasKey $budget "minAvailable" -}}
{{- $least := $budget.minAvailable -}}
{{- if or (eq (toString $least) "100%") (and (not (kindIs "string" $least)) (ge (int $least) (int $pods)) (gt (int $pods) 1)) -}}
{{- fail "podDisruptionBudget.minAvailable is as many as there are pods, so that no node could ever be drained: use maxUnavailable: 1" -}}
{{- end -}}
{{- else if has (toString $budget.maxUnavailable) (list "0" "0%") -}}
{{- fail "podDisruptionBudget.maxUnavailable is 0, so that no node could ever be drained: use 1" -}}
{{- end -}}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if not (or .Values.autoscaling.targetInflightRequests .Values.autoscaling.targetCPUUtilizationPercentage) -}}
{{- fail "autoscaling looks at nothing: set autoscaling.targetInflightRequests or autoscaling.targetCPUUtilizationPercentage" -}}
{{- end -}}
{{- end -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- $drain := toString (get $server "drain" | default 60) -}}
{{- if regexMatch (include "tollway.duration" .) $drain -}}
{{- $needed := add .Values.preStopSeconds (include "tollway.seconds" $drain) -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is less than preStopSeconds and config.server.drain together (%d), so that requests would be cut: raise it, or leave it out" $needed) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.preStopSeconds (not .Values.preStop) (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "this cluster's kubelet cannot sleep (that came with 1.30): set preStop to {exec: {command: [python3, -c, \"import time; time.sleep(10)\"]}}" -}}
{{- end -}}
{{- if and (eq .Values.image.tag "latest") (not .Values.image.digest) -}}
{{- fail "image.tag is latest, so that two pods of one release may differ: name a version, or image.digest" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled -}}
{{- fail "serviceMonitor and podMonitor are both enabled, so that each pod would be scraped twice: enable one" -}}
{{- end -}}
{{- if .Values.networkPolicy.enabled -}}
{{- $outside := or .Values.ingress.enabled .Values.httpRoute.enabled (ne .Values.service.type "ClusterIP") -}}
{{- if and $outside (not .Values.networkPolicy.clients) -}}
{{- fail "networkPolicy.clients is empty, so that only pods of this namespace may call, and nobody from outside: name the namespace of what stands in front, or {ipBlock: {cidr: 0.0.0.0/0}}" -}}
{{- end -}}
{{- $stores := or (eq $storage "postgres") (eq (dig "state" "type" "memory" .Values.config) "redis") -}}
{{- if and $stores (not .Values.networkPolicy.extraEgress) (eq (len .Values.networkPolicy.providers.ports) 1) -}}
{{- fail "networkPolicy.extraEgress is empty, so that the database and Redis cannot be reached: name their ports and pods" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that the route belongs to" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty: name a host" -}}
{{- end -}}
{{- end -}}

{{/* Paths of the configuration at which a secret stands itself, rather than a reference to it. */}}
{{- define "tollway.literals" -}}
{{- $found := dict "admin.key" (dig "admin" "key" "" .Values.config) "storage.pepper" (dig "storage" "pepper" "" .Values.config) -}}
{{- $_ := set $found "telemetry.metrics_key" (dig "telemetry" "metrics_key" "" .Values.config) -}}
{{- range $index, $key := dig "keys" list .Values.config -}}
{{- $_ := set $found (printf "keys[%d].key" $index) (get $key "key") -}}
{{- end -}}
{{- range $name, $provider := dig "providers" dict .Values.config -}}
{{- $_ := set $found (printf "providers.%s.api_key" $name) (get $provider "api_key") -}}
{{- end -}}
{{- range $path, $value := $found -}}
{{- if and (kindIs "string" $value) $value (ne $value "none") (not (hasPrefix "file:" $value)) (not (contains "${" $value)) }}
config.{{ $path }}
{{- end -}}
{{- end -}}
{{- end -}}
