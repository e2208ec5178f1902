using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Management.Automation;
using BillingMigration.Store;

namespace BillingMigration.PowerShell;

/// <summary>A cmdlet that asks the billing store.</summary>
public abstract class StoreCmdlet : SessionCmdlet
{
    private const int DifferencesInError = 10;

    private readonly ConcurrentQueue<StoreDifference> differences = new();

    [Parameter]
    public BillingBackend Backend { get; set; }

    /// <summary>Further conditions: a value, several, or $null by column.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable? Filter { get; set; }

    private protected override bool IsOfThisObject(MigrationException error) => IsOfARow(error);

    private protected sealed override void Process(MigrationSession session)
    {
        var store = Ask(token => SessionStores.OpenAsync(session, Backend, differences.Enqueue, token));
        Process(session, store);
        if (!differences.IsEmpty)
        {
            WriteError(Errors.ToRecord(Differing([.. differences])));
            differences.Clear();
        }
    }

    private protected abstract void Process(MigrationSession session, IBillingStore store);

    /// <summary>Runs a call of the store. Its refusals have their own ids.</summary>
    /// <exception cref="MigrationException">The store's refusal under its name, or trouble with the backend.</exception>
    private protected T Ask<T>(Func<CancellationToken, Task<T>> call) => Run(async token =>
    {
        try
        {
            return await call(token);
        }
        catch (StoreException e)
        {
            throw new MigrationException(e.Error.ToString(), MigrationErrorKind.InvalidArgument, e.Message, e.Subject, e);
        }
    });

    private protected ImmutableArray<QueryCondition> Conditions()
    {
        var conditions = ImmutableArray.CreateBuilder<QueryCondition>();
        foreach (DictionaryEntry entry in Filter ?? [])
        {
            var value = entry.Value is PSObject wrapped ? wrapped.BaseObject : entry.Value;
            conditions.Add(value is IEnumerable several and not (string or byte[])
                ? new AnyOf((string)entry.Key, [.. several.Cast<object>().Select(v => v is PSObject one ? one.BaseObject : v)])
                : new EqualTo((string)entry.Key, value));
        }

        return conditions.ToImmutable();
    }

    private static MigrationException Differing(StoreDifference[] found)
    {
        var more = found.Length > DifferencesInError ? $"{Environment.NewLine}  and {PlanText.Number(found.Length - DifferencesInError)} more" : "";
        var lines = found.Take(DifferencesInError).Select(d => $"{Environment.NewLine}  {d.Call}{(d.Row is null ? "" : $", {d.Row}")}: {d.What}");
        return new MigrationException(
            "BackendsDiffer", MigrationErrorKind.DataRefused,
            $"The source and the table answer differently:{string.Concat(lines)}{more}{Environment.NewLine}Run Sync-BillingChanges, and ask again; what differs then is found by Test-MigrationIntegrity.", found);
    }
}
