using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Runspaces;

namespace BillingMigration.PowerShell.Tests;

/// <summary>A session with the module imported from its manifest; without a host's UI unless one is given.</summary>
internal sealed class ModuleShell : IDisposable
{
    public ModuleShell(PSHost? host = null, bool import = true)
    {
        var state = InitialSessionState.CreateDefault2();
        state.AuthorizationManager = new AuthorizationManager("tests");
        Runspace = host is null ? RunspaceFactory.CreateRunspace(state) : RunspaceFactory.CreateRunspace(host, state);
        Runspace.Open();
        if (import)
        {
            Run("param($path) Import-Module $path", ModuleUnderTest.Manifest);
        }
    }

    public Runspace Runspace { get; }

    /// <summary>Non-terminating errors of the last run.</summary>
    public IReadOnlyList<ErrorRecord> Errors { get; private set; } = [];

    public void Set(string variable, object? value) => Runspace.SessionStateProxy.SetVariable(variable, value);

    /// <summary>Runs a script in the session's own scope; a terminating error comes out as an exception.</summary>
    public Collection<PSObject> Run(string script, params object?[] arguments)
    {
        using var shell = System.Management.Automation.PowerShell.Create(Runspace);
        shell.AddScript(script, useLocalScope: false);
        foreach (var argument in arguments)
        {
            shell.AddArgument(argument);
        }

        try
        {
            return shell.Invoke();
        }
        finally
        {
            Errors = [.. shell.Streams.Error];
        }
    }

    /// <summary>The one result of a script that must run without any error.</summary>
    public PSObject One(string script)
    {
        var results = Run(script);
        Assert.Empty(Errors.Select(e => $"{e.FullyQualifiedErrorId}: {e} {e.Exception}"));
        return Assert.Single(results);
    }

    /// <summary>Runs a script that must end with an error, and returns it.</summary>
    public ErrorRecord Fail(string script, params object?[] arguments)
    {
        Set("ErrorActionPreference", ActionPreference.Stop);
        var thrown = Assert.ThrowsAny<RuntimeException>(() => Run(script, arguments));
        return thrown.ErrorRecord;
    }

    public void Dispose() => Runspace.Dispose();
}
