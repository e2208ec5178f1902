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

    /// <param name="more">Suspects beyond the limit, as they were seen.</param>
    /// <param name="quiet">True when no migrated row changed meanwhile.</param>
    public IntegrityResult Build(
        Resolution resolution, IReadOnlyDictionary<(int Entity, DifferenceKind Kind), long> more, RefusedRows refused, ImmutableArray<OrphanedItem> orphans, bool quiet, SourcePosition to)
    {
        var report = new DifferenceReport(context.Models);
        var differences = resolution.Confirmed.Select(c => report.Describe(c.Examined, c.Position)).Concat(refused.Missing.Select(m => m with { Position = to })).ToImmutableArray();
        var decidedMore = resolution.Reason is null && quiet;
        var undecided = resolution.Undecided.Count + (decidedMore ? 0 : more.Values.Sum());
        var outcome = differences.Length > 0 ? IntegrityOutcome.Failed : undecided > 0 ? IntegrityOutcome.NotDecidable : IntegrityOutcome.Passed;
        var counted = decidedMore ? more : ImmutableDictionary<(int, DifferenceKind), long>.Empty;
        var total = differences.Length + counted.Values.Sum();
        var reason = outcome switch
        {
            IntegrityOutcome.Failed => string.Create(CultureInfo.InvariantCulture, $"{total:N0} differences. Look at them in Differences, and repair them with Repair-BillingItem.") + (undecided > 0 ? " " + resolution.Reason : ""),
            IntegrityOutcome.NotDecidable => resolution.Reason ?? "More differences were seen than could be looked at again while applications write. Check again, or raise the limit of differences.",
            _ => null,
        };
        return Result(outcome, reason, to, quiet, differences, refused.Accepted, undecided, orphans, counted);
    }

    /// <summary>Verdict of counts alone.</summary>
    public IntegrityResult Counted(IntegrityOutcome outcome, string? reason, SourcePosition to, bool quiet) =>
        Result(outcome, reason, to, quiet, [], new long[context.Models.Length], 0, []);

    private IntegrityResult Result(
        IntegrityOutcome outcome, string? reason, SourcePosition to, bool exact, ImmutableArray<ItemDifference> differences, long[] setAside, long undecided, ImmutableArray<OrphanedItem> orphans,
        IReadOnlyDictionary<(int Entity, DifferenceKind Kind), long>? more = null)
    {
        EntityFigures Figures(int entity)
        {
            var model = context.Models[entity];
            long Count(DifferenceKind kind) => differences.Count(d => d.Entity == model.Entity && d.Kind == kind) + (more?.GetValueOrDefault((entity, kind)) ?? 0);
            return new EntityFigures(
                model.Entity, model.Table.Name, rows[entity], items[entity], RowsExact, ItemsExact,
                Count(DifferenceKind.Missing), Count(DifferenceKind.Extra), Count(DifferenceKind.Different), setAside[entity]);
        }

        var known = context.Models.Select(m => m.Entity).ToHashSet(StringComparer.Ordinal);
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
            Strangers = differences.Count(d => !known.Contains(d.Entity)) + (more?.Where(m => m.Key.Entity < 0).Sum(m => m.Value) ?? 0),
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
