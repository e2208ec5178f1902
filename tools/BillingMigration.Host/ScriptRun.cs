using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace BillingMigration.Host;

/// <summary>One run of a script or a text, from its first line to the process's exit code.</summary>
internal sealed class ScriptRun(PowerShell shell, ConsoleHost host)
{
    private const int Failed = 1;

    /// <summary>128 + SIGINT, as shells have it.</summary>
    private const int Interrupted = 130;

    public int Run(CommandLine commandLine)
    {
        try
        {
            Compose(commandLine);
            // Errors go through the formatter with the output, so that both appear in the order in which they came.
            shell.Commands.Commands[0].MergeMyResults(PipelineResultTypes.Error, PipelineResultTypes.Output);
            shell.AddCommand("Out-Default");
            shell.Invoke();
            return shell.InvocationStateInfo.State == PSInvocationState.Stopped ? Stopped() : host.ExitCode ?? LastExitCode();
        }
        catch (PipelineStoppedException)
        {
            return Stopped();
        }
        catch (RuntimeException e)
        {
            if (host.ExitCode is { } code)
            {
                return code;
            }

            Show(e);
            return Failed;
        }
        finally
        {
            host.Screen.EndProgress();
        }
    }

    private void Compose(CommandLine commandLine)
    {
        if (commandLine.Text is { } text)
        {
            shell.AddScript(text);
            return;
        }

        shell.AddCommand(commandLine.Script!);
        foreach (var (name, value) in commandLine.Arguments)
        {
            if (name is null)
            {
                shell.AddArgument(value);
            }
            else
            {
                shell.AddParameter(name, value);
            }
        }
    }

    private int Stopped()
    {
        host.Screen.EndProgress();
        host.Screen.Error("Stopped.");
        return Interrupted;
    }

    private int LastExitCode()
    {
        var value = shell.Runspace.SessionStateProxy.GetVariable("LASTEXITCODE");
        return value is null ? 0 : Convert.ToInt32(value, CultureInfo.InvariantCulture);
    }

    /// <summary>The error that ended the script, as the engine's own view shows it.</summary>
    private void Show(RuntimeException e)
    {
        using var view = PowerShell.Create(shell.Runspace);
        try
        {
            view.AddCommand("Out-Default").Invoke(new[] { e.ErrorRecord });
        }
        catch (RuntimeException)
        {
            host.Screen.Error(e.Message);
        }
    }
}

/// <summary>
/// Ctrl+C and a request to terminate stop the pipeline, which then ends as a stopped one does. Another one, after the second that this may
/// take, ends the process.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private readonly PowerShell shell;
    private readonly System.Runtime.InteropServices.PosixSignalRegistration terminate;
    private long stoppedAt;

    public Interrupt(PowerShell shell)
    {
        this.shell = shell;
        Console.CancelKeyPress += OnCancel;
        terminate = System.Runtime.InteropServices.PosixSignalRegistration.Create(
            System.Runtime.InteropServices.PosixSignal.SIGTERM,
            context => context.Cancel = Stop());
    }

    public void Dispose()
    {
        Console.CancelKeyPress -= OnCancel;
        terminate.Dispose();
    }

    private void OnCancel(object? sender, ConsoleCancelEventArgs e) => e.Cancel = Stop();

    private bool Stop()
    {
        var first = Interlocked.CompareExchange(ref stoppedAt, TimeProvider.System.GetTimestamp(), 0);
        if (first == 0)
        {
            shell.BeginStop(null, null);
        }

        return first == 0 || TimeProvider.System.GetElapsedTime(first) < TimeSpan.FromSeconds(1);
    }
}
