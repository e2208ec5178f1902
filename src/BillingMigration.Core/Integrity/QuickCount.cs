using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Target;
using MySqlConnector;

namespace BillingMigration.Integrity;

/// <summary>
/// Counts both sides. Tables up to a limit are counted exactly; above it the server's own estimates are given, and said to be so: an exact count of either side reads
/// all of it.
/// </summary>
internal sealed class QuickCount(MigrationSession session, IntegrityContext context, SourceLookup lookup)
{
    private const long MostCounted = 5_000_000;
    private const int Rounds = 3;

    public async Task<IntegrityResult> RunAsync(VerdictBuilder builder, CancellationToken abort)
    {
        if (context.Models.Sum(m => m.Table.EstimatedRows) > MostCounted)
        {
            return await EstimateAsync(builder, abort);
        }

        for (var round = 1; ; round++)
        {
            var from = await lookup.PositionAsync(abort);
            var items = await ItemCensus.CountAsync(session, abort);
            var equal = true;
            await using var connection = await session.Source.OpenConnectionAsync(abort);
            foreach (var entity in context.Chosen)
            {
                var model = context.Models[entity];
                var rows = await CountAsync(connection, model.Table.Name, abort);
                builder.SetCounts(entity, rows, items.GetValueOrDefault(model.Entity));
                equal &= rows == items.GetValueOrDefault(model.Entity);
            }

            var to = await lookup.PositionAsync(abort);
            var quiet = !await context.Changes.AnyAsync(from, to, abort);
            if (equal)
            {
                return builder.Counted(IntegrityOutcome.Passed, null, to, quiet);
            }

            if (quiet || round == Rounds)
            {
                return await DifferAsync(builder, to, quiet, abort);
            }
        }
    }

    private async Task<IntegrityResult> DifferAsync(VerdictBuilder builder, SourcePosition to, bool quiet, CancellationToken abort)
    {
        var sync = new SyncWatch(session, context.Run, context.Changes, TimeSpan.Zero);
        return quiet && await sync.IsWrittenAsync(to, abort)
            ? builder.Counted(IntegrityOutcome.Failed, "The numbers of rows and items differ. Run Test-MigrationIntegrity without -Quick to see which.", to, quiet)
            : builder.Counted(
                IntegrityOutcome.NotDecidable,
                quiet ? "The numbers differ, and not everything that changed is written yet. Run Sync-BillingChanges, and count again."
                    : "The numbers differ while applications write: they cannot be counted at one moment. Run Test-MigrationIntegrity without -Quick.",
                to, quiet);
    }

    private async Task<IntegrityResult> EstimateAsync(VerdictBuilder builder, CancellationToken abort)
    {
        var table = await session.Target.Client.DescribeTableAsync(session.Definition.Target.Table, abort);
        var rows = context.Models.Sum(m => m.Table.EstimatedRows);
        (builder.RowsExact, builder.ItemsExact) = (false, false);
        foreach (var entity in context.Chosen)
        {
            builder.SetCounts(entity, context.Models[entity].Table.EstimatedRows, -1);
        }

        return builder.Counted(
            IntegrityOutcome.NotDecidable,
            string.Create(CultureInfo.InvariantCulture, $"Both sides are too large to be counted quickly: about {rows:N0} rows by the source's statistics, about {table.Table.ItemCount:N0} items by a count of the table that may be six hours old. Estimates prove nothing; run Test-MigrationIntegrity without -Quick."),
            await lookup.PositionAsync(abort), quiet: false);
    }

    private static async Task<long> CountAsync(MySqlConnection connection, string table, CancellationToken abort)
    {
        await using var command = new MySqlCommand($"SELECT COUNT(*) FROM {SelectStatement.Name(table)}", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(abort), CultureInfo.InvariantCulture);
    }
}
