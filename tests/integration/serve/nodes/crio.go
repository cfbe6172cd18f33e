// What CRI-O does with registries.conf: its reader tells where an image is pulled from, and whether in plain HTTP.
package main

import (
	"fmt"
	"os"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

func main() {
	name, err := reference.ParseNormalizedNamed(os.Args[2])
	if err != nil {
		panic(err)
	}
	settings := &types.SystemContext{SystemRegistriesConfPath: os.Args[1], SystemRegistriesConfDirPath: os.Args[1] + ".d"}
	registry, err := sysregistriesv2.FindRegistry(settings, name.Name())
	if err != nil || registry == nil {
		panic(err)
	}
	sources, err := registry.PullSourcesFromReference(name)
	if err != nil {
		panic(err)
	}
	for _, source := range sources {
		fmt.Println(source.Reference, source.Endpoint.Insecure)
	}
}
