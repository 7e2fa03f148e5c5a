// Package cloud tests the deployment with the real tools, as far as it goes without an
// account: `sam build` makes the function, `sam package` uploads it to moto, the SAM
// transform makes CloudFormation's template, moto's CloudFormation makes the stack, and the
// function that was uploaded runs with the stack's environment against the stack's
// resources. Adobe is package flowsim.
//
// What moto can't hold is listed in gaps_test.go, with the reasons; docs/architecture.md
// shows it. `make test-cloud` runs the package, whose tests have the build tag cloud.
package cloud
