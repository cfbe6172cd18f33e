//! Files as people have them, and the images that they name.

use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;

use super::{Findings, find, text};

/// Reads one file's text.
fn read(text: &str) -> Findings {
    let mut findings = Findings::default();
    text::read("f", text, false, &mut findings);
    findings
}

/// Each image with its lines: `!` stands before one that is sure, `?` before one that may be an image.
fn found(text: &str) -> Vec<String> {
    let findings = read(text);
    let shown = |is_sure: bool, sign: &str| {
        let images = findings.images(is_sure);
        let line = |image: &super::Image| {
            let lines: Vec<String> = image.places.iter().map(|(_, line)| line.to_string()).collect();
            format!("{sign}{} {}", image.name, lines.join(","))
        };
        images.map(line).collect::<Vec<_>>()
    };
    let mut all = shown(true, "!");
    all.extend(shown(false, "?"));
    all.extend(findings.problems.iter().map(|problem| {
        let line = problem.line().unwrap_or(0);
        format!("error {line}: {}", problem.message())
    }));
    all
}

const DEPLOYMENT: &str = "\
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    example.com/built-from: quay.io/not/this:v1
spec:
  template:
    spec:
      initContainers:
        - name: wait
          image: busybox:1.36
          command: [sh, -c, 'until nc -z db:5432; do sleep 1; done']
      containers:
        - name: web
          image: \"nginx\"
          args:
            - --upstream=http://app:8080
            - --sidecar-image=quay.io/team/sidecar:v2.1
          env:
            - name: RELATED_IMAGE_WORKER
              value: hub.local:5000/team/worker@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097
            - {name: LISTEN, value: '0.0.0.0:80'}
      ephemeralContainers:
        - {name: debug, image: docker.io/library/busybox:1.36}
      volumes:
        - name: model
          image:
            reference: quay.io/models/small:v1
            pullPolicy: IfNotPresent
";

#[test]
fn a_deployment_names_images_in_containers_volumes_arguments_and_variables() {
    assert_eq!(
        found(DEPLOYMENT),
        [
            "!busybox:1.36 13,26",
            "!nginx 17",
            "!quay.io/models/small:v1 30",
            "?hub.local:5000/team/worker@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097 23",
            "?quay.io/team/sidecar:v2.1 20",
        ]
    );
}

#[test]
fn every_kind_with_a_pod_is_read() {
    for (kind, before) in [
        ("Pod", "spec:\n  "),
        ("DaemonSet", "spec:\n  template:\n    spec:\n      "),
        ("StatefulSet", "spec:\n  template:\n    spec:\n      "),
        ("ReplicaSet", "spec:\n  template:\n    spec:\n      "),
        ("ReplicationController", "spec:\n  template:\n    spec:\n      "),
        ("Job", "spec:\n  template:\n    spec:\n      "),
        (
            "CronJob",
            "spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          ",
        ),
        ("PodTemplate", "template:\n  spec:\n    "),
        ("Rollout", "spec:\n  template:\n    spec:\n      "),
    ] {
        let text =
            format!("apiVersion: v1\nkind: {kind}\n{before}containers: [{{name: a, image: 'a.io/b:c'}}]\n");
        let line = text.lines().count();
        assert_eq!(found(&text), [format!("!a.io/b:c {line}")], "{kind}");
    }
}

/// Texts that name no image, or name it differently, each with what is found.
#[test]
fn files_of_many_kinds_give_their_images() {
    let table: &[(&str, &str, &[&str])] = &[
        (
            "several documents, as helm template prints them",
            "---\n# Source: a/templates/x.yaml\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a.io/x:1\n---\n# nothing\n---\n\
             apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a.io/y:2\n",
            &["!a.io/x:1 7", "!a.io/y:2 15"],
        ),
        (
            "a list of what a cluster has, without what the cluster says of it",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n    - image: a.io/x:1\n  status:\n\
             \x20   containerStatuses:\n    - image: a.io/resolved:1\n- apiVersion: v1\n  kind: Node\n  status:\n    images:\n    - names: [a.io/node:1]\n",
            &["!a.io/x:1 8"],
        ),
        (
            "JSON",
            "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\",\n  \"spec\": {\"containers\": [\n    {\"image\": \"a.io/x:1\"}\n  ]}\n}\n",
            &["!a.io/x:1 5"],
        ),
        (
            "custom resources: a name, a name with its tag beside it, a name in parts, a key that ends with image",
            "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nspec:\n  image: quay.io/prometheus/prometheus:v2.54.0\n  thanos:\n    image: thanos\n\
             \x20   tag: 0.36\n  engine:\n    image: {registry: a.io, repository: x/y, tag: '1.10'}\n  workerImage: a.io/worker:1\n  bootImage: none\n",
            &[
                "!a.io/worker:1 10",
                "!a.io/x/y:1.10 9",
                "!thanos:0.36 6",
                "!quay.io/prometheus/prometheus:v2.54.0 4",
            ],
        ),
        (
            "a custom resource with a text that looks like one",
            "apiVersion: x.io/v1\nkind: Engine\nspec:\n  runtime: {from: a.io/maybe:v1, port: 'x:8080'}\n",
            &["?a.io/maybe:v1 4"],
        ),
        (
            "Tekton steps and Argo's containers and scripts",
            "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  steps:\n  - image: a.io/step:1\n    script: |\n      #!/bin/sh\n      crane copy a.io/in:1 b.io/out:2\n\
             ---\napiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - container: {image: 'a.io/argo:1'}\n  - script: {image: 'a.io/py:3', source: x}\n",
            &[
                "!a.io/argo:1 14",
                "!a.io/py:3 15",
                "!a.io/step:1 5",
                "?a.io/in:1 8",
                "?b.io/out:2 8",
            ],
        ),
        (
            "a definition of resources: defaults, and no examples",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec:\n  schema:\n    image:\n      type: string\n      description: such as a.io/example:1\n\
             \x20     default: a.io/default:1\n",
            &["?a.io/default:1 8"],
        ),
        (
            "a ConfigMap with a manifest in it; a Secret's data is encoded",
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  pod.yaml: |\n    spec:\n      containers:\n      - image: a.io/injected:1\n  other: nothing\n---\napiVersion: v1\n\
             kind: Secret\ndata: {x: YS5pby94OjE=}\nstringData: {y: 'use a.io/secret:2'}\n",
            &["?a.io/injected:1 7", "?a.io/secret:2 13"],
        ),
        (
            "values of a chart",
            "image:\n  repository: a.io/x\n  tag: v1\nsidecar:\n  image:\n    repository: a.io/of-chart\n    tag: \"\"\nimages:\n  proxy: a.io/proxy:1\n  list: [a.io/l:1]\n\
             chart:\n  repository: https://charts.example.com\n  tag: x\n",
            &[
                "!a.io/proxy:1 9",
                "!a.io/x:v1 2",
                "!a.io/l:1 10",
                "?a.io/of-chart 6",
            ],
        ),
        (
            "a Compose file: defaults of variables, what is built, merges and tags",
            "x-base: &base\n  image: a.io/base:1\nservices:\n  a:\n    <<: *base\n  b: {image: 'a.io/b:${TAG:-2.0}'}\n  c: {image: 'a.io/c:${TAG}'}\n  d: {build: ., image: 'a.io/d:dev'}\n\
             \x20 e:\n    image: redis\n    ports: !override ['6379:6379']\n    environment: {WORKER: 'a.io/w:1'}\n",
            &[
                "!a.io/b:2.0 6",
                "!a.io/base:1 2",
                "!redis 10",
                "?a.io/d:dev 8",
                "?a.io/w:1 12",
                "error 7: this image depends on the variable TAG, which has no default",
            ],
        ),
        (
            "what kubeadm config images list prints",
            "registry.k8s.io/kube-apiserver:v1.34.1\nregistry.k8s.io/coredns/coredns:v1.12.1\nregistry.k8s.io/pause:3.10.1\n",
            &[
                "!registry.k8s.io/coredns/coredns:v1.12.1 2",
                "!registry.k8s.io/kube-apiserver:v1.34.1 1",
                "!registry.k8s.io/pause:3.10.1 3",
            ],
        ),
        (
            "an images file with comments and a glob",
            "# release\n\nalpine:3.20  # small\nquay.io/cilium/cilium:v1.17.*\n",
            &["!alpine:3.20 3", "!quay.io/cilium/cilium:v1.17.* 4"],
        ),
        (
            "hauler's manifest, with the registry of names without one",
            "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nmetadata:\n  annotations:\n    hauler.dev/registry: hub.local\nspec:\n  images:\n  - name: team/a:1\n\
             \x20 - name: ghcr.io/x/b:2\n    platform: linux/amd64\n---\napiVersion: content.hauler.cattle.io/v1\nkind: Charts\nspec:\n  charts: [{name: rancher, repoURL: 'https://x.io', version: 1.0.0}]\n",
            &["!ghcr.io/x/b:2 9", "!hub.local/team/a:1 8"],
        ),
        (
            "KubeKey's manifest",
            "apiVersion: kubekey.kubesphere.io/v1alpha2\nkind: Manifest\nspec:\n  arches: [amd64]\n  images:\n  - registry.k8s.io/pause:3.10\n  - docker.io/calico/node:v3.28.2\n",
            &[
                "!docker.io/calico/node:v3.28.2 7",
                "!registry.k8s.io/pause:3.10 6",
            ],
        ),
        (
            "KubeKey's configuration",
            "apiVersion: kubekey.kubesphere.io/v1\nkind: Config\nspec:\n  image_manifests:\n  - docker.io/calico/node:v3.28.2\n",
            &["!docker.io/calico/node:v3.28.2 5"],
        ),
        (
            "a task file, also in the earlier form",
            "- hosts: localhost\n  tasks:\n  - image:\n      manifests: ['alpine:3.20', 'a.io/x:v1.*']\n      dest: local:///images\n  - image: {pull: {manifests: [a.io/old:1], images_dir: /i}}\n",
            &["!a.io/old:1 6", "!a.io/x:v1.* 4", "!alpine:3.20 4"],
        ),
        (
            "a Kustomization",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages:\n- name: nginx\n  newName: a.io/nginx\n  newTag: 1.27\n- name: busybox\n  newTag: '1.36'\n",
            &["!a.io/nginx:1.27 4", "!busybox:1.36 7"],
        ),
        (
            "zarf's package and oc-mirror's set",
            "kind: ZarfPackageConfig\ncomponents:\n- name: x\n  manifests: [{name: m, files: [m.yaml]}]\n  images: [a.io/z:1]\n---\napiVersion: mirror.openshift.io/v2alpha1\n\
             kind: ImageSetConfiguration\nmirror:\n  additionalImages:\n  - name: a.io/extra:1\n",
            &["!a.io/extra:1 11", "!a.io/z:1 5"],
        ),
        (
            "a tag that looks like a number keeps its zero",
            "image: {repository: a.io/x, tag: 1.20}\n",
            &["!a.io/x:1.20 1"],
        ),
        (
            "no image",
            "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}], type: ClusterIP}\n",
            &[],
        ),
        ("nothing", "", &[]),
        (
            "an empty name",
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: ''}]}\n",
            &[],
        ),
    ];
    for (what, text, expected) in table {
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        let mut all = found(text);
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "{what}");
    }
}

#[test]
fn mistakes_are_told_with_file_and_line_and_the_rest_is_read() {
    let text = "kind: [\n---\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a.io/x:1\n  - image: '{{ .Values.image }}'\n  - image: A B\n";
    let all = found(text);
    assert_eq!(all[0], "!a.io/x:1 7");
    assert!(
        all[1].starts_with("error 2: this isn't valid YAML") || all[1].starts_with("error 1: "),
        "{all:?}"
    );
    assert!(
        all.iter()
            .any(|line| line.starts_with("error 8: this image is a template")),
        "{all:?}"
    );
    assert!(all.iter().any(|line| line.starts_with("error 9: ")), "{all:?}");
    let template = read("spec:\n{{- if .Values.x }}\n  image: x\n{{- end }}\n");
    let hint = template.problems[0].hint().unwrap_or_default();
    assert!(hint.contains("helm template"), "{hint}");
}

#[test]
fn files_that_multiply_or_nest_without_end_are_refused_at_once() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, other) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let _ = writeln!(
            bomb,
            "{one}: &{one} [{}]",
            vec![format!("*{other}"); 10].join(", ")
        );
    }
    for text in [bomb, "[".repeat(100_000), "a: &a [*a]\n".to_owned()] {
        let findings = read(&text);
        assert_eq!(findings.problems.len(), 1, "{:.40}", text);
        assert!(findings.images(true).next().is_none());
    }
}

#[test]
fn an_image_that_an_alias_stands_for_is_where_its_anchor_is() {
    let text = "x: &i a.io/x:1\nspec:\n  image: *i\n  other: {image: *i}\n";
    assert_eq!(found(text), ["!a.io/x:1 1"]);
}

#[test]
fn a_directory_is_read_but_for_hidden_files_and_charts() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "b/pod.yaml",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'a.io/b:1'}]}\n",
    );
    write("a.yml", "image: a.io/a:1\n");
    write("images.txt", "a.io/list:1\n");
    write("README.txt", "Read me first.\n");
    write("notes.md", "image: a.io/no:1\n");
    write(".git/x.yaml", "image: a.io/no:2\n");
    write("chart/Chart.yaml", "name: chart\n");
    write("chart/values.yaml", "image: {repository: a.io/values, tag: 1}\n");
    write("chart/templates/x.yaml", "image: {{ .Values.image }}\n");
    std::os::unix::fs::symlink("..", dir.path().join("b/up")).unwrap();
    let findings = find(&[dir.path().to_owned()]).unwrap();
    let names: Vec<&str> = findings.images(true).map(|image| image.name.as_str()).collect();
    assert_eq!(names, ["a.io/a:1", "a.io/b:1", "a.io/list:1", "a.io/values:1"]);
    let said: Vec<String> = findings.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("this is a Helm chart") && said[0].contains("helm template"),
        "{said:?}"
    );
    assert_eq!(findings.files(), 4);
}

#[test]
fn the_result_is_an_images_file() {
    let text = crate::ui::images_text(&read(DEPLOYMENT));
    let expected = "\
# 3 images in 1 file
busybox:1.36                                                  # f:13, f:26
nginx                                                         # f:17
quay.io/models/small:v1                                       # f:30

# These may be images: texts in arguments, environment, ConfigMaps and the like.
# Remove the # before those that are.
#hub.local:5000/team/worker@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097  # f:23
#quay.io/team/sidecar:v2.1                                     # f:20
";
    assert_eq!(text, expected);
    let again: Vec<String> = read(&text).images(true).map(|image| image.name.clone()).collect();
    assert_eq!(again, ["busybox:1.36", "nginx", "quay.io/models/small:v1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_it_panic(text in "(([a-z]{1,4}|image|images|spec|containers|- |\\{|\\}|\\[|\\]|: |\n|  |---|!t |&a |\\*a|'|\"|\\||\\$\\{|@|/|:)){0,60}") {
        let findings = read(&text);
        let _ = crate::ui::images_text(&findings);
    }

    #[test]
    fn no_bytes_make_it_panic(text in any::<String>()) {
        let _ = crate::ui::images_text(&read(&text));
    }
}
