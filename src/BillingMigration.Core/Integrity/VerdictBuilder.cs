using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Transfer;

namespace BillingMigration.Integrity;

/// <summary>Puts what a check has found together into a verdict.</summary>
internal sealed class VerdictBuilder(MigrationSession session, IntegrityOptions options, IntegrityContext context, TransferMetrics metrics)
{
    private readonly long[] rows = new long[context.Models.Length];
    private readonly long[] items = new long[context.Models.Length];
    private SourcePosition from = context.From;
    private DateTimeOffset startedAt = context.StartedAt;

    /// <summary>Verdict that a comparison of changes builds upon.</summary>
    public IntegrityVerdict? Base { get; set; }

    /// <summary>Takes over when and where a comparison was begun.</summary>
    public void GoOnWith(ComparisonState state) => (from, startedAt) = (state.From, state.StartedAt);

    public bool RowsExact { get; set; } = true;

    public bool ItemsExact { get; set; } = true;

    public void SetCounts(int entity, long sourceRows, long targetItems) => (rows[entity], items[entity]) = (sourceRows, targetItems);

    public IntegrityResult Stopped(SourcePosition to) => Result(
        IntegrityOutcome.Stopped, "Stopped by its limit of time. Run the same command again to go on.", to, exact: false, [], new long[context.Models.Length], 0, []);

    /// <summary>What the words of a verdict hang on, and nothing else.</summary>
    /// <param name="differences">Confirmed, or seen after others were confirmed.</param>
    /// <param name="undecided">Neither confirmed nor found equal.</param>
    /// <param name="isConsistent">The change stream writes nothing older than what the table has.</param>
    internal static IntegrityOutcome Judge(long differences, long undecided, bool isConsistent) =>
        differences > 0 ? IntegrityOutcome.Failed : undecided > 0 || !isConsistent ? IntegrityOutcome.NotDecidable : IntegrityOutcome.Passed;

    /// <param name="quiet">True when no migrated row changed up to <paramref name="to"/>.</param>
    /// <param name="isConsistent">See <see cref="Judge"/>.</param>
    public IntegrityResult Build(Findings findings, ImmutableArray<OrphanedItem> orphans, bool quiet, bool isConsistent, SourcePosition to)
    {
        var report = new DifferenceReport(context.Models);
        var refused = findings.Refused!;
        var differences = findings.Confirmed.Select(c => report.Describe(c.Examined, c.Position)).Concat(refused.Missing.Select(m => m with { Position = to })).Take(options.MostDifferences).ToImmutableArray();
        var counts = findings.Counts;
        var (total, undecided) = (counts.Values.Sum(), findings.Undecided + refused.Undecided);
        var outcome = Judge(total, undecided, isConsistent);
        const string Converging = "The change stream has yet to pass what the export read ahead of it, and may write older states of rows again. Run Sync-BillingChanges until the table is consistent, and check again.";
        var open = findings.Reason ?? (undecided > 0 ? "Rows that cannot be items are not set aside, and the change stream does not move. Run Sync-BillingChanges -SetAside, and check again." : isConsistent ? "" : Converging);
        var reason = outcome switch
        {
            IntegrityOutcome.Failed => string.Create(CultureInfo.InvariantCulture, $"{total:N0} differences. Look at them in Differences, and repair them with Repair-BillingItem. {open}").TrimEnd(),
            IntegrityOutcome.NotDecidable => open,
            _ => null,
        };
        return Result(outcome, reason, to, quiet, differences, refused.Accepted, undecided, orphans, counts);
    }

    /// <summary>Verdict of counts alone.</summary>
    /// <param name="setAside">Rows set aside, by entity.</param>
    public IntegrityResult Counted(IntegrityOutcome outcome, string? reason, SourcePosition to, bool quiet, IReadOnlyList<long> setAside) =>
        Result(outcome, reason, to, quiet, [], setAside, 0, []);

    private IntegrityResult Result(
        IntegrityOutcome outcome, string? reason, SourcePosition to, bool exact, ImmutableArray<ItemDifference> differences, IReadOnlyList<long> setAside, long undecided,
        ImmutableArray<OrphanedItem> orphans, IReadOnlyDictionary<(int Entity, DifferenceKind Kind), long>? counts = null)
    {
        EntityFigures Figures(int entity)
        {
            var model = context.Models[entity];
            long Count(DifferenceKind kind) => counts?.GetValueOrDefault((entity, kind)) ?? 0;
            return new EntityFigures(
                model.Entity, model.Table.Name, rows[entity], items[entity], RowsExact, ItemsExact,
                Count(DifferenceKind.Missing), Count(DifferenceKind.Extra), Count(DifferenceKind.Different), setAside[entity]);
        }

        var verdict = new IntegrityVerdict
        {
            Id = context.VerdictId,
            RunId = context.Run.RunId,
            Method = options.Method,
            Outcome = outcome,
            Reason = reason,
            Scope = Scope(),
            From = from,
            To = to,
            Exact = exact,
            ModelDigest = context.Model.Digest,
            StartedAt = startedAt,
            EndedAt = session.Time.GetUtcNow(),
            Entities = [.. context.Chosen.Select(Figures)],
            Strangers = counts?.Where(m => m.Key.Entity < 0).Sum(m => m.Value) ?? 0,
            Orphans = orphans.Length,
            Undecided = undecided,
            ReadUnits = metrics.ConsumedUnits,
            IsWhole = context.IsAll && options.Method is IntegrityMethod.Full or IntegrityMethod.Since,
        };
        return new IntegrityResult
        {
            Migration = session.Definition.Name,
            Table = session.Definition.Target.Table,
            Verdict = verdict,
            Differences = differences,
            Orphans = orphans,
            Requests = metrics.Requests,
            Duration = TimeSpan.Zero,
        };
    }

    private string Scope()
    {
        var entities = context.IsAll ? "all entities" : string.Join(", ", context.Chosen.Select(e => context.Models[e].Entity));
        return options.Method switch
        {
            IntegrityMethod.Sample => string.Create(CultureInfo.InvariantCulture, $"{options.SamplePercent:0.####} % of {entities}: says nothing about the rest"),
            IntegrityMethod.Since => $"what changed in {entities} since the verdict {Base?.Id}",
            IntegrityMethod.Quick => $"counts of {entities}",
            _ => entities,
        };
    }
}
