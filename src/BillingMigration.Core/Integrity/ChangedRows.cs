using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Collects the keys that changes touch, each once.</summary>
/// <param name="refused">Takes rows that have no key: they can be no items.</param>
internal sealed class ChangedRows(IntegrityContext context, long most, Action<int, RowBuffer> refused) : IDisposable
{
    private readonly Dictionary<string, Suspect> suspects = new(StringComparer.Ordinal);
    private readonly ItemEncoder[] encoders = [.. context.Models.Select(m => new ItemEncoder(m))];
    private readonly ItemBatch batch = new();

    public IReadOnlyCollection<Suspect> Suspects => suspects.Values;

    public long Rows => suspects.Count;

    public long RowsOf(int entity) => suspects.Values.LongCount(s => s.Entity == entity);

    /// <exception cref="MigrationException"><c>TooManyChanges</c>.</exception>
    public bool Add(EntityModel model, RowBuffer? before, RowBuffer? after)
    {
        var entity = context.Models.IndexOf(model);
        if (context.Chosen.Contains(entity))
        {
            Add(entity, before);
            Add(entity, after);
        }

        return true;
    }

    public void Dispose() => batch.Dispose();

    private void Add(int entity, RowBuffer? row)
    {
        batch.Clear();
        if (row is null)
        {
            return;
        }

        if (!encoders[entity].TryEncodeDelete(row, batch, out _))
        {
            refused(entity, row);
            return;
        }

        var key = batch.Item(0).ToArray();
        if (!suspects.TryAdd(Encoding.UTF8.GetString(key), new Suspect(entity, key, RowIdentity.Of(context.Models[entity], row), DifferenceKind.Different)))
        {
            return;
        }

        if (suspects.Count > most)
        {
            throw IntegrityErrors.TooManyChanges(most);
        }
    }
}
