using System.IO.Hashing;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>
/// Which children of a row an index showed when they were looked for first. Shows it the same ones later, they are as they were read then: nothing but their parent's looked-up column had
/// changed, and each change of it, or of them, comes by in the stream. Used by several queries at the same time, one for each link.
/// </summary>
internal sealed class ShownChildren
{
    private readonly Dictionary<ParentLink, UInt128> first = [];

    /// <summary>Sum of the keys of some items, in whatever order.</summary>
    public static UInt128 Add(UInt128 sum, ItemKey key) => unchecked(sum + XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{key.Pk}\n{key.Sk}")));

    /// <returns>Null: the children of this link have not been looked for.</returns>
    public UInt128? Of(ParentLink link)
    {
        lock (first)
        {
            return first.TryGetValue(link, out var sum) ? sum : null;
        }
    }

    public void Set(ParentLink link, UInt128 sum)
    {
        lock (first)
        {
            first[link] = sum;
        }
    }
}
