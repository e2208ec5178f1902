using System.Collections.Immutable;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Sync;

/// <summary>Compares entities with the source beside the running stream, where neither it nor the table tells which rows changed, or which items are left over from another snapshot; what differs is read again.</summary>
internal sealed class WholeComparison(MigrationSession session, BillingModel model, SyncLedger ledger, ChildFollower children, SourceLookup source) : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new();
    private Task<(IReadOnlyCollection<Suspect> Suspects, bool AreAll)>? running;
    private ImmutableArray<EntityModel> entities = [];
    private UntoldChange? cause;

    public string? Waiting => running is { IsCompleted: false }
        ? $"comparing {string.Join(", ", entities.Select(e => e.Entity))} with the source, before the table is called consistent{(cause is { } because ? $": {because}" : "")}"
        : null;

    /// <summary>Begins a comparison that is due, or takes the result of one that has ended. Nothing is under way to the table meanwhile.</summary>
    public async ValueTask GoOnAsync(CancellationToken cancellationToken)
    {
        if (running is null && ledger.ToCompare is { IsEmpty: false } due)
        {
            // What is noted from here on is due again.
            entities = due;
            ledger.BeginComparing(due);
            cause = ledger.CauseOf(due);
            var applied = ledger.Applied.Seen;
            running = Task.Run(() => CompareAsync(due, applied), CancellationToken.None);
        }

        if (running is { IsCompleted: true } ended)
        {
            running = null;
            var isDone = false;
            try
            {
                var (suspects, areAll) = await ended;
                await children.RepairAsync(suspects, ledger.Applied.Seen, cancellationToken);
                isDone = areAll;
            }
            finally
            {
                ledger.EndComparing(isDone);
            }
        }
    }

    public async Task StopAsync()
    {
        await stop.CancelAsync();
        if (running is not null)
        {
            await Task.WhenAny(running);
        }
    }

    /// <summary>What is read must be as new as the statement that it is read for: that stands in the binlog a moment before others see it.</summary>
    private async Task<(IReadOnlyCollection<Suspect> Suspects, bool AreAll)> CompareAsync(ImmutableArray<EntityModel> due, SourcePosition applied)
    {
        await source.SeeAsync(applied, stop.Token);
        return await EntityComparison.RunAsync(session, model, due, stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        stop.Dispose();
    }
}
