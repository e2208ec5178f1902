using System.Collections.Concurrent;
using System.Management.Automation;
using System.Runtime.ExceptionServices;

namespace BillingMigration.PowerShell;

/// <summary>
/// A job on the thread pool, with the pipeline thread as its only way to the engine: what the job posts runs there, in order, until the
/// job ends.
/// </summary>
internal sealed class CmdletJob : IDisposable
{
    /// <summary>How long a stopped job may take to save its checkpoint before the pipeline goes on without it.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(900);

    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationTokenSource abandoned = new();
    private BlockingCollection<Action> posted = [];

    public bool IsStopping => stopping.IsCancellationRequested;

    /// <summary>Cancels the job; from any thread, also before, after and between runs.</summary>
    public void Stop()
    {
        try
        {
            // The callbacks of the token run elsewhere, and the grace counts from here.
            _ = stopping.CancelAsync();
            abandoned.CancelAfter(Grace);
        }
        catch (ObjectDisposedException)
        {
            // The pipeline ended while it was being stopped.
        }
    }

    /// <summary>Has the pipeline thread do something; without effect once the job has ended.</summary>
    public void Post(Action action)
    {
        try
        {
            posted.Add(action);
        }
        catch (InvalidOperationException)
        {
            // A late report of a job that has ended.
        }
    }

    /// <summary>Runs the job to its end. Exceptions of the job come out as they are.</summary>
    /// <exception cref="PipelineStoppedException">The pipeline was stopped.</exception>
    public T Run<T>(Func<CancellationToken, Task<T>> job)
    {
        var actions = posted = [];
        var task = Task.Run(() => job(stopping.Token), CancellationToken.None);
        task.ContinueWith(
            ended =>
            {
                _ = ended.Exception;
                actions.CompleteAdding();
            },
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        var failure = Pump(actions);
        failure?.Throw();
        if (IsStopping)
        {
            throw new PipelineStoppedException();
        }

        return task.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        stopping.Dispose();
        abandoned.Dispose();
    }

    /// <summary>Runs what is posted until the job ends. When an action fails (the pipeline stops, a preference says Stop) the job is stopped first.</summary>
    private ExceptionDispatchInfo? Pump(BlockingCollection<Action> actions)
    {
        ExceptionDispatchInfo? failure = null;
        try
        {
            foreach (var action in actions.GetConsumingEnumerable(abandoned.Token))
            {
                try
                {
                    if (failure is null)
                    {
                        action();
                    }
                }
                catch (Exception e)
                {
                    failure = ExceptionDispatchInfo.Capture(e);
                    Stop();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The job did not end in time: its next write to the control table finds the lease gone.
        }

        return failure;
    }
}

/// <summary>Passes the latest report on to the pipeline thread; older ones that it had no time for are dropped.</summary>
internal sealed class LatestProgress<T>(CmdletJob job, Action<T> show) : IProgress<T>
    where T : class
{
    private T? latest;

    public void Report(T value)
    {
        if (Interlocked.Exchange(ref latest, value) is null)
        {
            job.Post(() => show(Interlocked.Exchange(ref latest, null)!));
        }
    }
}
