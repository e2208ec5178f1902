using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>A cmdlet that reads rows of one entity, page by page.</summary>
public abstract class RecordCmdlet : StoreCmdlet
{
    private const int PageSize = 1_000;

    [Parameter]
    public SwitchParameter Descending { get; set; }

    [Parameter]
    public SwitchParameter IncludeSensitive { get; set; }

    private protected abstract string Entity { get; }

    /// <summary>Columns that name single rows, with the values asked for; an empty list: not asked for.</summary>
    private protected abstract IEnumerable<(string Column, string[] Values)> Keys { get; }

    private protected sealed override void Process(MigrationSession session, IBillingStore store)
    {
        var query = Narrow(new RecordQuery(Entity) { Conditions = Conditions(), Descending = Descending });
        var keys = Keys.Where(k => k.Values.Length > 0).ToArray();
        if (keys.Length == 0)
        {
            if (query.Conditions.IsEmpty)
            {
                throw new MigrationException(
                    "NothingAskedFor", MigrationErrorKind.InvalidArgument,
                    $"Say which rows of {Entity} are wanted: {string.Join(", ", MyInvocation.MyCommand.Parameters.Values.Where(p => IsSelecting(p.Name)).Select(p => "-" + p.Name))}.", Entity);
            }

            Write(session, store, query);
        }

        foreach (var (column, value) in keys.SelectMany(k => k.Values.Select(v => (k.Column, v))))
        {
            if (Write(session, store, query.Where(column, value)) == 0)
            {
                WriteError(Errors.ToRecord(new MigrationException($"{ErrorName}NotFound", MigrationErrorKind.NotFound, $"There is no row of {Entity} with the {column} {value}{(query.Conditions.IsEmpty ? "" : " and the other conditions")}.", value)));
            }
        }
    }

    /// <summary>Adds the conditions of the cmdlet's own parameters.</summary>
    private protected abstract RecordQuery Narrow(RecordQuery query);

    /// <summary>What is written of a record.</summary>
    private protected virtual PSObject Object(MigrationSession session, IBillingStore store, BillingRecord record) => RecordObject.Of(record, session, IncludeSensitive);

    /// <summary>All rows of a query; for what belongs to one row.</summary>
    private protected PSObject[] All(MigrationSession session, IBillingStore store, RecordQuery query) =>
        [.. Ask(token => store.ListAsync(query, token)).Select(record => RecordObject.Of(record, session, IncludeSensitive))];

    private string ErrorName => GetType().Name.Replace("Get", "", StringComparison.Ordinal).Replace("Command", "", StringComparison.Ordinal);

    private static bool IsSelecting(string parameter) =>
        !CommonParameters.Contains(parameter) && !OptionalCommonParameters.Contains(parameter) && parameter is not (nameof(Migration) or nameof(Backend) or nameof(Descending) or nameof(IncludeSensitive) or "Summary" or "First" or "Skip" or "IncludeTotalCount");

    /// <returns>Rows written.</returns>
    private long Write(MigrationSession session, IBillingStore store, RecordQuery query)
    {
        if (PagingParameters.IncludeTotalCount)
        {
            var count = Ask(token => store.TotalAsync(new TotalQuery(Entity) { Conditions = query.Conditions }, token)).Sum(row => row.Count);
            WriteObject(PagingParameters.NewTotalCount((ulong)count, 1));
        }

        var (skip, left, written) = (PagingParameters.Skip, PagingParameters.First, 0L);
        string? continuation = null;
        do
        {
            var size = (int)Math.Clamp(Math.Min(left, PageSize) + Math.Min(skip, PageSize), 1, PageSize);
            var from = continuation;
            var page = Ask(token => store.PageAsync(query, size, from, token));
            foreach (var record in page.Records)
            {
                if (skip > 0)
                {
                    skip--;
                }
                else if (left > 0)
                {
                    left--;
                    written++;
                    WriteObject(Object(session, store, record));
                }
            }

            continuation = page.Continuation;
        }
        while (continuation is not null && left > 0);
        return PagingParameters.Skip > 0 || PagingParameters.First == 0 ? 1 : written;
    }
}

internal static class RecordQueries
{
    /// <summary>With a condition, unless nothing is wanted of the column.</summary>
    public static RecordQuery WhereGiven(this RecordQuery query, string column, string? value) => value is null ? query : query.Where(column, value);

    /// <inheritdoc cref="WhereGiven(RecordQuery, string, string)"/>
    public static RecordQuery WhereGiven(this RecordQuery query, string column, string[] values) =>
        values.Length == 0 ? query : values is [var one] ? query.Where(column, one) : query.WhereAnyOf(column, values);

    /// <inheritdoc cref="WhereGiven(RecordQuery, string, string)"/>
    public static RecordQuery WithinGiven(this RecordQuery query, string column, DateTime? since, DateTime? before) =>
        since is null && before is null ? query : query.WhereWithin(column, Plain(since), Plain(before));

    /// <summary>Columns without a zone take what is written; a local time is the wall's.</summary>
    public static object? Plain(DateTime? time) => time is { } given ? DateTime.SpecifyKind(given, DateTimeKind.Unspecified) : null;
}
