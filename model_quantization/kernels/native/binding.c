/* From Python to a kernel and back: one function for all kernels, driven by their tables.

   An argument's type, order, byte order and writability are checked against the kernel's
   parameter before its memory is touched. Nothing is copied, converted or allocated. The
   interpreter's lock is let go where the arrays are large enough for the call to take a while.
   There is no state but constants and what the module object holds. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#include <numpy/arrayobject.h>

#include <string.h>

#include "table.h"

/* Letting the lock go takes 50 ns, and taking it back may wait for another thread. */
enum { BYTES_WORTH_THE_LOCK = 1 << 14 };

static const char CAPSULE[] = "model_quantization kernel";

/* numpy's many names of a type as one letter each; 0: a type that no kernel takes. */
static char letter_of(const PyArray_Descr *type)
{
    switch (type->type_num) {
    case NPY_BOOL:
    case NPY_UBYTE:
        return 'B';
    case NPY_BYTE:
        return 'b';
    case NPY_USHORT:
        return 'H';
    case NPY_SHORT:
        return 'h';
    case NPY_UINT:
        return 'I';
    case NPY_INT:
        return 'i';
    case NPY_ULONG:
        return sizeof(long) == 8 ? 'Q' : 'I';
    case NPY_LONG:
        return sizeof(long) == 8 ? 'q' : 'i';
    case NPY_ULONGLONG:
        return 'Q';
    case NPY_LONGLONG:
        return 'q';
    case NPY_FLOAT:
        return 'f';
    case NPY_DOUBLE:
        return 'd';
    default:
        return 0;
    }
}

static const char *type_name(char letter)
{
    static const char names[][9] = {"Buint8", "bint8",   "Huint16", "hint16",   "Iuint32",
                                     "iint32", "Quint64", "qint64", "ffloat32", "dfloat64"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (names[at][0] == letter)
            return names[at] + 1;
    return "another type";
}

static void *refuse_shape(const struct kernel *kernel, const struct parameter *parameter)
{
    PyErr_Format(PyExc_TypeError,
                 "%s: %s must be%s of the machine's byte order%s%s", kernel->name,
                 parameter->name, parameter->dimensions == 1 ? "" : " contiguous, aligned,",
                 parameter->written ? ", writable" : "",
                 parameter->dimensions == 0   ? ""
                 : parameter->dimensions == 1 ? ", and have one dimension"
                                              : ", and have two dimensions");
    return NULL;
}

/* Fill `argument`; the letter of its type, or 0 with an exception set. */
static char read_array(const struct kernel *kernel, const struct parameter *parameter,
                       PyObject *given, struct argument *argument)
{
    if (!PyArray_Check(given)) {
        if (PyBytes_Check(given) && !parameter->written && !parameter->dimensions) {
            argument->at = PyBytes_AsString(given);
            argument->size = PyBytes_Size(given);
            return 'B';
        }
        PyErr_Format(PyExc_TypeError, "%s: %s must be a numpy array of %s", kernel->name,
                     parameter->name, type_name(parameter->type));
        return 0;
    }
    PyArrayObject *array = (PyArrayObject *)given;
    const PyArray_Descr *type = PyArray_DESCR(array);
    const char letter = letter_of(type);
    const int needed = parameter->dimensions == 1 ? 0
                       : parameter->written       ? NPY_ARRAY_CARRAY
                                                  : NPY_ARRAY_CARRAY_RO;
    if (!letter || !PyArray_CHKFLAGS(array, needed) || PyDataType_ISBYTESWAPPED(type) ||
        (parameter->dimensions && PyArray_NDIM(array) != parameter->dimensions)) {
        if (letter || PyArray_CHKFLAGS(array, needed) == 0)
            refuse_shape(kernel, parameter);
        else
            PyErr_Format(PyExc_TypeError, "%s: %s must hold %s", kernel->name, parameter->name,
                         type_name(parameter->type));
        return 0;
    }
    const npy_intp *shape = PyArray_DIMS(array);
    argument->at = PyArray_DATA(array);
    argument->size = 1;
    for (int axis = 0; axis < PyArray_NDIM(array); axis++)
        argument->size *= shape[axis];
    if (parameter->dimensions == 1)
        argument->step = PyArray_STRIDES(array)[0];
    if (parameter->dimensions == 2) {
        argument->rows = shape[0];
        argument->columns = shape[1];
    }
    return letter;
}

/* Read all arguments as the first variant says; the bytes of all arrays, or -1 (exception). */
static i64 read_arguments(const struct kernel *kernel, PyObject *const *given,
                          struct argument *arguments, char *letters)
{
    i64 bytes = 0;
    for (int at = 0; at < kernel->count; at++) {
        const struct parameter *parameter = kernel->parameters + at;
        letters[at] = parameter->type;
        if (parameter->type == 'w') {
            arguments[at].whole = PyLong_AsLongLong(given[at]);
            if (arguments[at].whole == -1 && PyErr_Occurred())
                return -1;
        } else if (parameter->type == 'x') {
            arguments[at].real = PyFloat_AsDouble(given[at]);
            if (arguments[at].real == -1.0 && PyErr_Occurred())
                return -1;
        } else {
            letters[at] = read_array(kernel, parameter, given[at], arguments + at);
            if (!letters[at])
                return -1;
            bytes += arguments[at].size * bytes_of(letters[at]);
        }
    }
    return bytes;
}

/* The variant whose types are these; NULL with an exception set where there is none. `group` has
   the first variant at `place`, and the next groups have the others there. */
static const struct kernel *matching(const struct kernel *const *group, size_t place,
                                     const char *letters)
{
    const char *name = (*group)[place].name;
    const struct kernel *variant = NULL;
    int wrong = 0;
    for (; *group && (*group)->name && !strcmp((*group)[place].name, name); group++) {
        variant = *group + place;
        int at = 0;
        while (at < variant->count && variant->parameters[at].type == letters[at])
            at++;
        if (at == variant->count)
            return variant;
        wrong = MAX(wrong, at);
    }
    PyErr_Format(PyExc_TypeError, "%s: %s cannot hold %s here; %s is one type that it may hold",
                 name, variant->parameters[wrong].name, type_name(letters[wrong]),
                 type_name(variant->parameters[wrong].type));
    return NULL;
}

static PyObject *call_kernel(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    const struct kernel *const *group = PyCapsule_GetPointer(self, CAPSULE);
    if (group == NULL)
        return NULL;
    const size_t place = (size_t)PyCapsule_GetContext(self);
    const struct kernel *kernel = *group + place;
    struct argument arguments[MOST_PARAMETERS];
    char letters[MOST_PARAMETERS];
    if (count != kernel->count)
        return PyErr_Format(PyExc_TypeError, "%s: expected %d arguments, got %zd", kernel->name,
                            kernel->count, count);
    const i64 bytes = read_arguments(kernel, given, arguments, letters);
    if (bytes < 0)
        return NULL;
    kernel = matching(group, place, letters);
    if (kernel == NULL)
        return NULL;
    struct outcome outcome;
    if (bytes >= BYTES_WORTH_THE_LOCK) {
        Py_BEGIN_ALLOW_THREADS
        outcome = kernel->call(arguments);
        Py_END_ALLOW_THREADS
    } else {
        outcome = kernel->call(arguments);
    }
    if (outcome.broken)
        return PyErr_Format(PyExc_ValueError, "%s: the arguments do not fit each other: %s",
                            kernel->name, outcome.broken);
    if (kernel->result == 'i')
        return PyLong_FromLongLong(outcome.value);
    if (kernel->result == 't')
        return PyBool_FromLong(outcome.value != 0);
    Py_RETURN_NONE;
}

static PyMethodDef kernel_method = {
    "kernel", (PyCFunction)(void (*)(void))call_kernel, METH_FASTCALL,
    "A compiled kernel; its Python reference says what it does."};

/* Add the function that calls the kernel at a place of a group, and its variants. */
static int add_kernel(PyObject *found, const struct kernel *const *group, size_t place)
{
    PyObject *capsule = PyCapsule_New((void *)(uintptr_t)group, CAPSULE, NULL);
    PyObject *function = NULL;
    if (capsule && PyCapsule_SetContext(capsule, (void *)place) == 0)
        function = PyCFunction_NewEx(&kernel_method, capsule, NULL);
    const int failed =
        function == NULL || PyDict_SetItemString(found, (*group)[place].name, function) < 0;
    Py_XDECREF(function);
    Py_XDECREF(capsule);
    return failed ? -1 : 0;
}

/* The instruction sets that the module was built with and the processor has, the best first. */
static PyObject *available_sets(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *names = PyList_New(0);
    for (const struct instruction_set *set = instruction_sets; names && set->name; set++) {
        if (!processor_has(set->name))
            continue;
        PyObject *name = PyUnicode_FromString(set->name);
        if (name == NULL || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

/* All kernels of a set, by name. */
static PyObject *kernels_of(PyObject *module, PyObject *name)
{
    (void)module;
    const char *asked = PyUnicode_AsUTF8AndSize(name, NULL);
    if (asked == NULL)
        return NULL;
    const struct instruction_set *set = instruction_sets;
    while (set->name && strcmp(set->name, asked))
        set++;
    if (!set->name || !processor_has(asked))
        return PyErr_Format(PyExc_ValueError, "no kernels for %s, or the processor has it not",
                            asked);
    PyObject *found = PyDict_New();
    const char *before = "";
    for (const struct kernel *const *group = set->groups; found && *group; group++) {
        const int is_variant = !strcmp((*group)->name, before);
        before = (*group)->name;
        for (size_t place = 0; found && !is_variant && (*group)[place].name; place++)
            if (add_kernel(found, group, place) < 0)
                Py_CLEAR(found);
    }
    return found;
}

static PyMethodDef functions[] = {
    {"available_sets", available_sets, METH_NOARGS, "Instruction sets, the best first."},
    {"kernels_of", kernels_of, METH_O, "All kernels of an instruction set, by name."},
    {NULL, NULL, 0, NULL}};

static int load_numpy(PyObject *module)
{
    (void)module;
    import_array1(-1);
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)load_numpy}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_native",
    .m_doc = "The compiled kernels, for each instruction set.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
