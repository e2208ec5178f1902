namespace BillingMigration.Control;

/// <summary>The rhythm of a job under way: a report four times a second, a checkpoint once a second.</summary>
internal static class CheckpointTimer
{
    public static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan LongSave = TimeSpan.FromSeconds(2);

    private const int ReportsPerCheckpoint = 4;

    /// <summary>
    /// Reports and saves until <paramref name="end"/>. A checkpoint that is refused ends the job at once: what is written without one would be written again.
    /// One that takes long, because the table cannot be reached, does not keep the reports back. At the end a checkpoint under way is waited for, lest it arrives at the table after the last one.
    /// </summary>
    /// <param name="abort">Cancelled when a checkpoint fails; its token ends one under way.</param>
    public static async Task RunAsync(Action report, Func<CancellationToken, Task> save, TimeProvider time, CancellationTokenSource abort, CancellationToken end)
    {
        using var timer = new PeriodicTimer(ReportInterval, time);
        var saving = Task.CompletedTask;
        try
        {
            for (var i = 1; await NextAsync(timer, end); i++)
            {
                report();
                if (saving.IsCompleted)
                {
                    await saving;
                    saving = i % ReportsPerCheckpoint == 0 ? save(abort.Token) : saving;
                }

                if (!saving.IsCompleted)
                {
                    await Task.WhenAny(saving, Task.Delay(LongSave, time, CancellationToken.None));
                }
            }

            await saving;
        }
        catch
        {
            await abort.CancelAsync();
            throw;
        }
    }

    private static async ValueTask<bool> NextAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
