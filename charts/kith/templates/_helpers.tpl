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

{{/* What the mesh is about, for reading: in all namespaces. */}}
{{- define "kith.viewerRules" -}}
- apiGroups: [kith.dev]
  resources: [authorizationpolicies, quarantines]
  verbs: [get, list, watch]
# Who is in the mesh, and why somebody is not.
- apiGroups: [""]
  resources: [pods, namespaces, serviceaccounts, events]
  verbs: [get, list, watch]
# What kith check compares with what it expects.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [authorizationpolicies.kith.dev, quarantines.kith.dev]
  verbs: [get]
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  resourceNames: [kith-injector]
  verbs: [get]
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  resourceNames: [kith-validator]
  verbs: [get]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  resourceNames: [kith-control-plane]
  verbs: [get]
{{- end }}
