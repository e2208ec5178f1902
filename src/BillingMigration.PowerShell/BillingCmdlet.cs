using System.Management.Automation;
using System.Management.Automation.Host;

namespace BillingMigration.PowerShell;

/// <summary>What every cmdlet of the module shares: jobs off the pipeline thread, stopping, and errors with a stable id.</summary>
public abstract class BillingCmdlet : PSCmdlet, IDisposable
{
    private readonly CmdletJob job = new();

    /// <summary>Secrets that this call knows, never to be shown.</summary>
    private protected List<string> Secrets { get; } = [];

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected sealed override void ProcessRecord()
    {
        try
        {
            Process();
        }
        catch (MigrationException e) when (MyInvocation.ExpectingInput && IsOfThisObject(e))
        {
            // The objects that come after it have a right to be tried.
            WriteError(Errors.ToRecord(e));
        }
        catch (MigrationException e)
        {
            ThrowTerminatingError(Errors.ToRecord(e));
        }
    }

    protected sealed override void StopProcessing() => job.Stop();

    /// <summary>The work for one input object. A <see cref="MigrationException"/> becomes an error of that object when it came through the pipeline; else it ends the command.</summary>
    protected abstract void Process();

    /// <summary>False when the objects that come next would meet the same trouble.</summary>
    private protected virtual bool IsOfThisObject(MigrationException error) => true;

    protected virtual void Dispose(bool disposing)
    {
        if (disposing)
        {
            job.Dispose();
        }
    }

    /// <summary>True when <c>-WhatIf</c> is in effect, so that a plan has to be made for it to show.</summary>
    private protected bool IsWhatIf =>
        MyInvocation.BoundParameters.TryGetValue("WhatIf", out var given)
            ? LanguagePrimitives.IsTrue(given)
            : LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"));

    /// <summary>Runs a job on the thread pool while this thread shows its reports.</summary>
    /// <exception cref="MigrationException">The job's own error, or <c>Unexpected</c> with any other failure.</exception>
    private protected T Run<T>(Func<CancellationToken, Task<T>> work)
    {
        try
        {
            return job.Run(token => Shielded(work, token));
        }
        catch (JobFailedException failed)
        {
            throw Errors.ToMigrationException(failed.InnerException!, Secrets);
        }
        catch (PipelineStoppedException) when (AfterStop is { } word)
        {
            Tell(word);
            throw;
        }
    }

    /// <summary>What a person who stopped the command is told: what is kept, and how it goes on. Null: nothing.</summary>
    private protected virtual string? AfterStop => null;

    /// <summary>A report that appears on the pipeline thread while <see cref="Run"/> runs.</summary>
    private protected IProgress<T> ReportTo<T>(Action<T> show)
        where T : class => new LatestProgress<T>(job, show);

    /// <summary>Has the pipeline thread do something while <see cref="Run"/> runs; what it throws comes back to the job.</summary>
    private protected Task OnPipelineAsync(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        job.Post(() =>
        {
            try
            {
                action();
                done.SetResult();
            }
            catch (PipelineStoppedException)
            {
                done.SetCanceled();
                throw;
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    /// <summary>What hosts throw that have nobody to show something to, or to ask.</summary>
    private protected static bool IsWithoutConsole(Exception error) => error is HostException or PSInvalidOperationException or NotImplementedException or NotSupportedException;

    /// <summary>The pipeline takes nothing any more: the host itself shows it, if there is one.</summary>
    private void Tell(string word)
    {
        try
        {
            Host.UI.WriteWarningLine(word);
        }
        catch (Exception e) when (IsWithoutConsole(e))
        {
            // Nobody looks.
        }
    }

    private protected string ResolvePath(string path) => SessionState.Path.GetUnresolvedProviderPathFromPSPath(path);

    /// <summary>Tells the job's failures from the engine's own exceptions, which must pass untouched.</summary>
    private static async Task<T> Shielded<T>(Func<CancellationToken, Task<T>> work, CancellationToken token)
    {
        try
        {
            return await work(token);
        }
        catch (Exception e) when (e is not MigrationException)
        {
            throw new JobFailedException(e);
        }
    }

    private sealed class JobFailedException(Exception cause) : Exception(cause.Message, cause);
}
