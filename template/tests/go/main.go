// Renders templates with Go's text/template and Sprig's functions, for the test that compares them with this crate.
// Each line of the standard input is one template with its data as JSON; each line of the output is what it gives.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

type question struct {
	Template string
	Data     any
}

type answer struct {
	Text  string
	Error string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		decoder := json.NewDecoder(strings.NewReader(lines.Text()))
		decoder.UseNumber()
		if err := decoder.Decode(&asked); err != nil {
			panic(err)
		}
		if err := answers.Encode(render(asked)); err != nil {
			panic(err)
		}
	}
}

func render(asked question) (given answer) {
	defer func() {
		if cause := recover(); cause != nil {
			given = answer{Error: fmt.Sprint(cause)}
		}
	}()
	parsed, err := template.New("").Funcs(sprig.TxtFuncMap()).Parse(asked.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var text strings.Builder
	if err := parsed.Execute(&text, typed(asked.Data)); err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Text: text.String()}
}

// typed makes whole numbers int, as YAML's reader does.
func typed(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return int(whole)
		}
		real, _ := value.Float64()
		return real
	case []any:
		for at := range value {
			value[at] = typed(value[at])
		}
	case map[string]any:
		for key := range value {
			value[key] = typed(value[key])
		}
	}
	return value
}
