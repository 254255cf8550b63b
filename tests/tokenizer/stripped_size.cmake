# cmake -DLIBRARY=<file> -DSTRIP=<program> -DMOST=<bytes> -P stripped_size.cmake fails if the library is larger once it is stripped.
set(stripped ${LIBRARY}.stripped)
execute_process(COMMAND ${STRIP} -o ${stripped} ${LIBRARY} COMMAND_ERROR_IS_FATAL ANY)
file(SIZE ${stripped} size)
file(REMOVE ${stripped})
message(STATUS "${LIBRARY}: ${size} bytes without symbols, at most ${MOST}")
if(size GREATER MOST)
  message(FATAL_ERROR "the library has grown beyond its bound: see which functions did with nm -CS --size-sort")
endif()
