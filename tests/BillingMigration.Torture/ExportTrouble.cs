using BillingMigration.Testing.Faults;

namespace BillingMigration.Torture;

/// <summary>What happens to exports besides being killed: they are frozen past their lease, and the ways to source and table are silent for minutes.</summary>
internal sealed class ExportTrouble(FaultProxy proxy, Cuts cuts, ExportTortureOptions options, TextWriter log)
{
    private readonly List<ExportWorkerProcess> frozen = [];

    public int Frozen { get; private set; }

    /// <summary>Freezes a worker, or lets one go through an outage, if one of these is still due.</summary>
    /// <param name="start">Starts a worker that is in its moment when it writes.</param>
    public async Task<bool> MakeAsync(Func<ExportWorkerProcess> start, CancellationToken cancellationToken)
    {
        if (Frozen < options.Freezes)
        {
            var worker = start();
            if (!await worker.ReachedAsync(cancellationToken))
            {
                worker.Dispose();
                return true;
            }

            frozen.Add(worker);
            await worker.FreezeAsync(cancellationToken);
            Frozen++;
            await log.WriteLineAsync($"frozen: {worker.Items:N0} items written");
            return true;
        }

        if (cuts.Outages < options.Outages)
        {
            using var worker = start();
            if (!await worker.ReachedAsync(cancellationToken))
            {
                return true;
            }

            await cuts.OutageAsync(options.OutageTime, cancellationToken);
            var before = worker.Items;
            while (worker.Items == before)
            {
                // It must go on by itself: one that was ended by the outage never does.
                cancellationToken.ThrowIfCancellationRequested();
                if (worker.HasEnded)
                {
                    throw new InvalidOperationException($"The outage ended the export: {(await worker.EndedAsync(cancellationToken)).Errors}");
                }

                await Task.Delay(50, cancellationToken);
            }

            await worker.KillAsync(TimeSpan.Zero, cancellationToken);
            await log.WriteLineAsync($"outage of {options.OutageTime.TotalSeconds:0} s: gone on from {before:N0} items");
            return true;
        }

        return false;
    }

    /// <summary>Those whose senders still wait follow when they have given up.</summary>
    public void DeliverLate() => _ = proxy.Faults.DeliverLateAsync();

    /// <summary>Wakes those that are frozen: others have done their work, and they may only end.</summary>
    public async Task WakeAsync(CancellationToken cancellationToken)
    {
        DeliverLate();
        foreach (var worker in frozen)
        {
            await worker.ThawAsync(cancellationToken);
            var (code, errors) = await worker.EndedAsync(cancellationToken);
            worker.Dispose();
            if (code == 0 || !errors.Contains("lease", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"A worker that was frozen past its lease ended with {code}: {errors}");
            }
        }

        frozen.Clear();
        DeliverLate();
    }
}
