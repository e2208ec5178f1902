using System.Management.Automation;
using System.Management.Automation.Runspaces;
using BillingMigration.Host;

if (CommandLine.Parse(args) is not { } commandLine)
{
    Console.Error.WriteLine("""
        Runs PowerShell where pwsh is not installed: the engine with its core commands, without the modules that ship with pwsh.
        usage: BillingMigration.Host script.ps1 [-Name value | -Switch | value] ...
               BillingMigration.Host -Command "..."
        """);
    return 64;
}

var host = new ConsoleHost(new ConsoleScreen(TimeProvider.System));
var state = InitialSessionState.CreateDefault2();
// Scripts of the checkout run as they are; on Windows the default would ask for signatures.
state.AuthorizationManager = new AuthorizationManager("BillingMigration.Host");
using var runspace = RunspaceFactory.CreateRunspace(host, state);
runspace.Open();
runspace.SessionStateProxy.Path.SetLocation(Environment.CurrentDirectory);

using var shell = PowerShell.Create(runspace);
using var interrupt = new Interrupt(shell);
return new ScriptRun(shell, host).Run(commandLine);
