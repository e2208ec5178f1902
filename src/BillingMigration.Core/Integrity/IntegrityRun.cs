using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>One check under way: finds what does not agree by the chosen method, looks at it again, and comes to a verdict.</summary>
internal sealed class IntegrityRun : IAsyncDisposable
{
    private static readonly TimeSpan SaveInterval = TimeSpan.FromMinutes(1);

    private readonly MigrationSession session;
    private readonly IntegrityOptions options;
    private readonly IntegrityContext context;
    private readonly Lease lease;
    private readonly IProgress<IntegrityProgress> progress;
    private readonly long started;
    private readonly SourceSide sourceSide;
    private readonly TargetSide target;
    private readonly SourceLookup lookup;
    private readonly SyncWatch sync;
    private readonly IWrittenWatch written;
    private readonly Resolver resolver;
    private readonly RefusedRows refused;
    private readonly Findings findings;
    private SourcePosition from;
    private ComparisonState? comparison;
    private long savedAt;
    private string doing = "comparing";
    private Func<(long Rows, long Items)> counted = () => (0, 0);

    public IntegrityRun(
        MigrationSession session, IntegrityOptions options, IntegrityContext context, Lease lease, IProgress<IntegrityProgress> progress, long started)
    {
        this.session = session;
        this.options = options;
        this.context = context;
        this.lease = lease;
        this.progress = progress;
        this.started = started;
        savedAt = started;
        from = context.From;
        sourceSide = new SourceSide(session, context.Models, options.RowsPerSecond);
        target = new TargetSide(session, context.Models, options.ReadUnitsPerSecond);
        lookup = new SourceLookup(session, context.Models);
        sync = new SyncWatch(session, context.Run, context.Changes, options.Patience);
        written = context.TableLeads ? new ReverseWatch(session, options.Patience) : sync;
        resolver = new Resolver(new Examiner(context.Models, lookup, target), lookup, written, options.MostLooks);
        refused = new RefusedRows(session, context, lookup, sync, options.MostDifferences);
        findings = new Findings(options.MostDifferences, (part, token) => resolver.ResolveAsync(part, null, token), refused, options.SuspectsAtOnce);
    }

    public async Task<IntegrityResult> RunAsync(CancellationTokenSource abort)
    {
        using var stopReading = options.MaxDuration is { } most
            ? new CancellationTokenSource(Longest(most - session.Time.GetElapsedTime(started)), session.Time)
            : new CancellationTokenSource();
        using var end = new CancellationTokenSource();
        var reporting = CheckpointTimer.RunAsync(() => progress.Report(Measure()), SaveAsync, session.Time, abort, end.Token);
        try
        {
            return await CheckAsync(stopReading.Token, abort.Token);
        }
        finally
        {
            await end.CancelAsync();
            await reporting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            progress.Report(Measure());
        }
    }

    public async ValueTask DisposeAsync()
    {
        findings.Dispose();
        refused.Dispose();
        target.Dispose();
        await lookup.DisposeAsync();
    }

    private static TimeSpan Longest(TimeSpan left) => left > TimeSpan.Zero ? left : TimeSpan.Zero;

    private async Task<IntegrityResult> CheckAsync(CancellationToken stopReading, CancellationToken abort)
    {
        var builder = new VerdictBuilder(session, options, context, target.Metrics);
        switch (options.Method)
        {
            case IntegrityMethod.Quick:
                return await new QuickCount(session, context, lookup).RunAsync(builder, abort);
            case IntegrityMethod.Since:
                await FindChangedAsync(builder, abort);
                break;
            case IntegrityMethod.Sample:
                await SampleAsync(builder, abort);
                break;
            default:
                if (!await CompareAsync(builder, stopReading, abort))
                {
                    return builder.Stopped(await lookup.PositionAsync(abort));
                }

                break;
        }

        var result = await JudgeAsync(builder, abort);
        if (options.Method == IntegrityMethod.Full)
        {
            if (result.Outcome == IntegrityOutcome.Passed)
            {
                await refused.EndAsync(abort);
            }

            await session.Control.ForgetComparisonAsync(lease, context.Run.RunId, abort);
        }

        return result;
    }

    /// <summary>Digests of both sides, read at the same time; then the rows and items of the buckets that differ.</summary>
    /// <returns>False when it was stopped before its end: what was read is kept.</returns>
    private async Task<bool> CompareAsync(VerdictBuilder builder, CancellationToken stopReading, CancellationToken abort)
    {
        var state = await BeginAsync(abort);
        builder.GoOnWith(state);
        from = state.From;
        var ledger = state.Ledger;
        var digests = ledger.Digests;
        counted = () => (ledger.Rows, ledger.Items);
        comparison = state;
        var sides = new Comparison(context.Models, context.Chosen, sourceSide, target, lookup, findings);
        await sides.DigestAsync(ledger, state.RangesLeft, state.SegmentsLeft, state.Segments, stopReading, abort);
        comparison = null;
        if (stopReading.IsCancellationRequested)
        {
            await session.Control.SaveComparisonAsync(lease, context.Run.RunId, state.Save(context), abort);
            return false;
        }

        foreach (var entity in context.Chosen)
        {
            builder.SetCounts(entity, digests.Source[entity].Count + digests.Refused(entity), digests.Target[entity].Count);
        }

        doing = "naming differences";
        await sides.NameAsync(digests, state.Ranges, state.Segments, context.IsAll, abort);
        return true;
    }

    /// <summary>The comparison that was stopped, when it is the same one; else a new one.</summary>
    private async Task<ComparisonState> BeginAsync(CancellationToken abort)
    {
        var kept = options.Restart ? null : await session.Control.FindComparisonAsync(context.Run.RunId, abort);
        if (kept is not null && ComparisonState.Load(kept, context) is { } state)
        {
            return state;
        }

        await refused.BeginAsync(abort);
        return new ComparisonState
        {
            From = context.From,
            StartedAt = context.StartedAt,
            Ranges = await RangesAsync(abort),
            Segments = TargetSide.SegmentsFor(context.Models.Sum(m => m.Table.EstimatedRows)),
            Ledger = new DigestLedger(new DigestPair(context.Models)),
        };
    }

    /// <summary>From time to time, so that not all is lost with the process.</summary>
    private async Task SaveAsync(CancellationToken cancellationToken)
    {
        if (comparison is { } state && session.Time.GetElapsedTime(savedAt) >= SaveInterval)
        {
            savedAt = session.Time.GetTimestamp();
            await session.Control.SaveComparisonAsync(lease, context.Run.RunId, state.Save(context), cancellationToken);
        }
    }

    /// <summary>Some ranges of the source with their items, and some segments of the table with their rows.</summary>
    private async Task SampleAsync(VerdictBuilder builder, CancellationToken abort)
    {
        var sample = new Sample(options.SamplePercent);
        var ranges = sample.Of(await RangesAsync(abort));
        var segments = TargetSide.SegmentsFor(context.Models.Sum(m => m.Table.EstimatedRows));
        var digests = new DigestPair(context.Models);
        var all = new BucketSet?[context.Models.Length + 1];
        foreach (var entity in context.Chosen)
        {
            all[entity] = BucketSet.All(digests.Target[entity].Length);
        }

        all[^1] = context.IsAll ? BucketSet.All(digests.Strangers.Length) : null;
        var rows = new SampleCount(context.Models.Length);
        counted = () => (rows.Rows, rows.Items);
        await sourceSide.ReadAsync(
            ranges, () => rows.Counting(new RowProbe(context.Models, null, null, target, findings)), CancellationToken.None, abort);
        await target.ScanAsync(
            sample.Of([.. Enumerable.Range(0, segments)]), segments,
            () => rows.Counting(new ItemProbe(context.Models, all, digests, lookup, findings)), CancellationToken.None, abort);
        foreach (var entity in context.Chosen)
        {
            builder.SetCounts(entity, rows.RowsOf(entity), rows.ItemsOf(entity));
        }
    }

    /// <summary>Every row that the binlog names since the last good verdict, before and after its change, is a suspect.</summary>
    private async Task FindChangedAsync(VerdictBuilder builder, CancellationToken abort)
    {
        var good = await session.Control.FindGoodVerdictAsync(context.Run.RunId, abort);
        if (good is null || good.ModelDigest != context.Model.Digest)
        {
            throw IntegrityErrors.NoGoodVerdict(session.Definition.Name);
        }

        builder.Base = good;
        doing = "reading the binlog";
        using var changed = new ChangedRows(context, options.MostChanges, findings.AddRefused);
        var now = await lookup.PositionAsync(abort);
        if (!await context.Changes.ReadAsync(options.GoOnFrom?.From ?? good.From, now, changed.Add, abort))
        {
            throw IntegrityErrors.ChangesUnknown(good);
        }

        doing = "comparing";
        counted = () => (changed.Rows, changed.Rows);
        var examiner = new Examiner(context.Models, lookup, target);
        foreach (var part in changed.Suspects.Concat(options.GoOnFrom?.Left ?? []).DistinctBy(s => s.KeyText).Chunk(options.ChangesAtOnce))
        {
            var examined = await examiner.ReadItemsAsync(await examiner.ReadRowsAsync(part, abort), abort);
            foreach (var one in examined)
            {
                options.OnChanged?.Invoke(one.Suspect);
                if (one.Refusal.ReasonId is not null)
                {
                    findings.AddRefused(one.Suspect.Entity, one.Suspect.Row!);
                }

                if (!one.IsEqual)
                {
                    findings.Add(one.Suspect with { Kind = one.Kind });
                }
            }

            await findings.SettleAsync(abort);
        }

        foreach (var entity in context.Chosen)
        {
            builder.SetCounts(entity, changed.RowsOf(entity), changed.RowsOf(entity));
        }
    }

    private async Task<IntegrityResult> JudgeAsync(VerdictBuilder builder, CancellationToken abort)
    {
        doing = "checking again";
        var to = await lookup.PositionAsync(abort);
        var quiet = !written.TableLeads && !await context.Changes.AnyAsync(from, to, abort);
        var settled = quiet && (findings.Count == 0 || await sync.IsWrittenAsync(to, abort)) ? to : null;
        await findings.SettleAllAsync(
            async (part, token) =>
            {
                var resolution = await resolver.ResolveAsync(part, settled, token);
                if (settled is not null && resolution.Confirmed.Count > 0 && await context.Changes.AnyAsync(settled, await lookup.PositionAsync(token), token))
                {
                    // It has become noisy since: what was just read may be on its way.
                    settled = null;
                    resolution = await resolver.ResolveAsync(part, null, token);
                }

                return resolution;
            },
            abort);
        await refused.LookUpAsync(abort);

        doing = "checking references";
        var orphans = await new ReferenceCheck(context.Models, lookup, target).FindAsync(findings.Confirmed.Select(c => c.Examined), abort);
        var isConsistent = await sync.WaitConsistentAsync(abort);
        var result = builder.Build(findings, orphans, quiet, isConsistent, to);
        return result with { SoFar = options.Method == IntegrityMethod.Since && isConsistent && refused.Undecided == 0 && findings.Left is { } left ? new ComparedSoFar(from, [.. left]) : null };
    }

    private Task<ImmutableArray<(int Entity, SnapshotRange Range)>> RangesAsync(CancellationToken abort) =>
        Comparison.PlanAsync(session, context.Models, context.Chosen, options.RowsPerRange, abort);

    private IntegrityProgress Measure()
    {
        var (rows, items) = counted();
        return new IntegrityProgress
        {
            Doing = doing,
            Rows = rows,
            Items = items,
            EstimatedRows = context.Chosen.Sum(e => context.Models[e].Table.EstimatedRows),
            Differences = findings.Count,
            Elapsed = session.Time.GetElapsedTime(started),
            Waiting = sourceSide.Waiting ?? target.Waiting,
        };
    }
}
