{{/* The labels of everything in this chart. */}}
{{- define "kith.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
app.kubernetes.io/name: kith
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: control-plane
app.kubernetes.io/part-of: kith
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}

{{/* What selects the control plane's pod. */}}
{{- define "kith.selector" -}}
app.kubernetes.io/name: kith
app.kubernetes.io/component: control-plane
{{- end }}

{{/* An image of this version: kith.image (list . "kith-sidecar") */}}
{{- define "kith.image" -}}
{{- $root := index . 0 -}}
{{- printf "%s/%s:%s" $root.Values.image.registry (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end }}
