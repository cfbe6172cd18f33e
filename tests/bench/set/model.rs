//! What the sets consist of, before there is a byte of them.

use transload_test_support::image::Family;

use Base::{Alpine, Debian, Distroless};

/// The platforms of every image but the large layer's.
const PLATFORMS: &[&str] = &["linux/amd64", "linux/arm64"];

/// An image that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The path within a registry.
    pub repository: String,
    /// The media types of its manifests.
    pub family: Family,
    /// Its platforms.
    pub platforms: &'static [&'static str],
    /// Its layers, the lowest first.
    pub layers: Vec<LayerPlan>,
}

/// A layer that is to be made, once for each platform. Layers with equal names have equal bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerPlan {
    /// What tells it from others.
    pub name: String,
    /// The size of its content, in bytes.
    pub size: u64,
}

/// What an image is built upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Distroless,
    Alpine,
    Debian,
}

impl Base {
    /// The sizes of its layers, in kB.
    fn layers(self) -> &'static [u64] {
        match self {
            Distroless => &[104, 21, 10, 16, 130, 77, 12, 95, 32, 18, 1990],
            Alpine => &[3420],
            Debian => &[29_150],
        }
    }
}

/// A Kubernetes platform's release: an image's name, what it is built upon, and the sizes of its own layers in kB.
#[rustfmt::skip]
const RELEASE: [(&str, Base, &[u64]); 40] = [
    ("kube/apiserver", Distroless, &[12, 21_140]),
    ("kube/controller-manager", Distroless, &[12, 18_880]),
    ("kube/scheduler", Distroless, &[12, 13_970]),
    ("kube/proxy", Debian, &[3170, 20_010]),
    ("kube/etcd", Distroless, &[60, 15_860, 27_940]),
    ("kube/coredns", Distroless, &[14_040, 22]),
    ("kube/pause", Distroless, &[320]),
    ("kube/metrics-server", Distroless, &[14_500, 11]),
    ("kube/cluster-autoscaler", Distroless, &[27_780]),
    ("kube/dns-node-cache", Debian, &[4230, 18_120]),
    ("network/calico-node", Debian, &[7400, 46_060, 33_980, 36]),
    ("network/calico-cni", Distroless, &[25_670, 39_260]),
    ("network/calico-controllers", Distroless, &[15, 24_540]),
    ("network/calico-typha", Distroless, &[15, 22_500]),
    ("network/cilium", Debian, &[13_590, 72_480, 55_870, 1960, 19]),
    ("network/cilium-operator", Distroless, &[24_460]),
    ("network/multus", Debian, &[5590, 23_400]),
    ("network/ingress-nginx", Alpine, &[1060, 28_690, 42_280, 17_360]),
    ("network/haproxy", Alpine, &[10, 7700]),
    ("network/kube-vip", Distroless, &[13_890]),
    ("storage/csi-provisioner", Distroless, &[20_760]),
    ("storage/csi-attacher", Distroless, &[19_330]),
    ("storage/csi-resizer", Distroless, &[19_550]),
    ("storage/csi-snapshotter", Distroless, &[19_030]),
    ("storage/node-driver-registrar", Distroless, &[8910]),
    ("storage/openebs-provisioner", Alpine, &[1660, 20_380]),
    ("storage/nfs-provisioner", Debian, &[9360, 14_120]),
    ("storage/ceph", Debian, &[4760, 180_000, 66_440, 10_570, 40]),
    ("monitor/prometheus", Alpine, &[830, 36_240, 34_350, 24]),
    ("monitor/alertmanager", Alpine, &[780, 10_720, 9510]),
    ("monitor/grafana", Alpine, &[4680, 14, 99_660, 17]),
    ("monitor/node-exporter", Alpine, &[780, 7320]),
    ("monitor/kube-state-metrics", Distroless, &[10_120]),
    ("monitor/prometheus-operator", Distroless, &[13_670]),
    ("monitor/thanos", Alpine, &[830, 34_730]),
    ("platform/apiserver", Alpine, &[2570, 44_540, 14]),
    ("platform/console", Alpine, &[21_520, 4450, 15_860, 36, 12]),
    ("platform/redis", Alpine, &[980, 8150, 11]),
    ("platform/postgres", Debian, &[6120, 3930, 73_240, 14, 26]),
    ("platform/registry", Alpine, &[300, 6490, 13]),
];

/// The release, with all sizes multiplied by `scale`; only every `every`th image of it.
pub fn release(scale: f64, every: usize) -> Vec<Plan> {
    let size = |kilobytes: u64| ((kilobytes * 1000) as f64 * scale) as u64;
    let layers = |name: &str, sizes: &[u64]| -> Vec<LayerPlan> {
        let layer = |(n, &kilobytes): (usize, &u64)| LayerPlan {
            name: format!("{name} {n}"),
            size: size(kilobytes).max(64),
        };
        sizes.iter().enumerate().map(layer).collect()
    };
    let plan = |&(name, base, own): &(&str, Base, &[u64])| Plan {
        repository: name.to_owned(),
        // Older build systems still write Docker's types.
        family: if base == Alpine {
            Family::Docker
        } else {
            Family::Oci
        },
        platforms: PLATFORMS,
        layers: [layers(&format!("{base:?}"), base.layers()), layers(name, own)].concat(),
    };
    RELEASE.iter().step_by(every).map(plan).collect()
}

/// So many images of a few kilobytes, whose lowest layer is the same.
pub fn tiny(count: usize) -> Vec<Plan> {
    let layer = |name: String, size| LayerPlan { name, size };
    let plan = |n: usize| Plan {
        repository: format!("tiny/image-{n}"),
        family: if n.is_multiple_of(2) {
            Family::Oci
        } else {
            Family::Docker
        },
        platforms: PLATFORMS,
        layers: vec![layer("tiny".to_owned(), 4000), layer(format!("tiny {n}"), 2000)],
    };
    (0..count).map(plan).collect()
}

/// An image with one layer of 1 GB, times `scale`.
pub fn layer(scale: f64) -> Vec<Plan> {
    vec![Plan {
        repository: "large/layer".to_owned(),
        family: Family::Oci,
        platforms: &["linux/amd64"],
        layers: vec![LayerPlan {
            name: "large".to_owned(),
            size: (1e9 * scale) as u64,
        }],
    }]
}

/// An image with one layer of 600 MB, times `scale`, and ten with so many layers of 2 kB.
pub fn serve(scale: f64, layers: usize) -> Vec<Plan> {
    let plan = |name: String, layers| Plan {
        repository: format!("serve/{name}"),
        family: Family::Oci,
        platforms: &["linux/amd64"],
        layers,
    };
    let layer = |name: String, size| LayerPlan { name, size };
    let large = vec![layer("served".to_owned(), (6e8 * scale) as u64)];
    // An archive with 512 bytes in a file has 2048.
    let small = |n: usize| {
        (0..layers)
            .map(|at| layer(format!("served {n} {at}"), 512))
            .collect()
    };
    let small = (0..10).map(|n| plan(format!("small-{n}"), small(n)));
    [plan("large".to_owned(), large)]
        .into_iter()
        .chain(small)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_release_has_the_agreed_shape() {
        let plans = release(1.0, 1);
        let layers: HashMap<&str, u64> = plans
            .iter()
            .flat_map(|plan| &plan.layers)
            .map(|layer| (layer.name.as_str(), layer.size))
            .collect();
        // A configuration for each image, and each layer, for two platforms.
        assert_eq!(2 * (plans.len() + layers.len()), 294);
        let bytes = 2 * layers.values().sum::<u64>();
        assert!((3_100_000_000..3_300_000_000).contains(&bytes), "{bytes}");
        assert_eq!(layers.values().max(), Some(&180_000_000));
        assert_eq!(layers.values().min(), Some(&10_000));
        for family in [Family::Oci, Family::Docker] {
            assert!(plans.iter().any(|plan| plan.family == family), "{family:?}");
        }
    }
}
